"""The launchers, with a stand-in for Python that trains nothing."""

import ast
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Notes what it was asked; the environment says whether it fails or sleeps.
STAND_IN = f"""#!{sys.executable}
import os, sys, time
if sys.argv[1] == '-c':
  exec(sys.argv[2])
  sys.exit()
process = sys.argv[sys.argv.index('--process') + 1]
print('asked', process)
note = os.path.join(os.path.dirname(__file__), 'note_' + process)
with open(note + '~', 'w') as file:
  gpus = os.environ.get('CUDA_VISIBLE_DEVICES')
  file.write(repr((os.getpid(), gpus, sys.argv[1:])))
os.rename(note + '~', note)
once = os.environ.get('ONCE')
if process == os.environ.get('FAILS') and not (once and os.path.exists(once)):
  once and open(once, 'w').close()
  # The others have asked by then, or are not coming.
  count = int(sys.argv[sys.argv.index('--processes') + 1])
  notes = [note[: -len(process)] + str(i) for i in range(count)]
  late = time.monotonic() + 10
  while not all(map(os.path.exists, notes)) and time.monotonic() < late:
    time.sleep(0.01)
  sys.exit(int(os.environ.get('CODE', 7)))
time.sleep(float(os.environ.get('SLEEPS', 0)))
"""
# Runs every task on this machine, one after the other.
SRUN = """#!/bin/bash
echo "srun $1"
shift
for ((i = 0; i < SLURM_NTASKS; i++)); do
  SLURM_PROCID=$i "$@" || exit
done
"""
SCONTROL = """#!/bin/bash
if [[ $1 == show ]]; then
  printf 'node7\\nnode8\\n'
else
  echo "scontrol $*"
fi
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
  """A folder of stand-ins, first in PATH; notes appear in it."""
  for name, text in (
    ('python', STAND_IN),
    ('srun', SRUN),
    ('scontrol', SCONTROL),
  ):
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o755)
  monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
  for name in ('PYTHON', 'CUDA_VISIBLE_DEVICES', 'SLURM_RESTART_COUNT'):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  monkeypatch.setenv('SLURM_JOB_ID', '40123')
  monkeypatch.setenv('SLURM_JOB_NODELIST', 'node[7-8]')
  monkeypatch.setenv('SLURM_NTASKS', '2')
  return tmp_path


def _start(script, *arguments):
  return subprocess.Popen(
    ['bash', f'launch/{script}', *arguments],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def _finish(process):
  """(exit code, output); a script that hangs is killed, and fails."""
  try:
    output, _ = process.communicate(timeout=30)
  except subprocess.TimeoutExpired:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    raise
  return process.returncode, output


def _run(script, *arguments):
  return _finish(_start(script, *map(str, arguments)))


def _note(tools, process):
  """(process id, its GPUs, its arguments)."""
  return ast.literal_eval((tools / f'note_{process}').read_text())


def _wait_for_notes(tools, count, process):
  while not all((tools / f'note_{i}').exists() for i in range(count)):
    assert process.poll() is None
    time.sleep(0.01)


def _gone(pid):
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return True
  return False


def test_local_hands_arguments_on_and_shows_process_zero(tools):
  code, output = _run('local.sh', 3, '--workdir', 'a b', '--config', 'c')
  assert code == 0
  assert output == 'asked 0\n'
  arguments = [_note(tools, i)[2] for i in range(3)]
  address = arguments[0][3]
  assert re.fullmatch(r'127\.0\.0\.1:\d+', address)
  for i in range(3):
    flags = ['--coordinator', address, '--processes', '3', '--process', str(i)]
    rest = ['--workdir', 'a b', '--config', 'c']
    assert arguments[i] == ['-m', 'adafm_jax.main', *flags, *rest]


@pytest.mark.parametrize('arguments', [(), ('--config', 'c'), ('0',), ('2x',)])
def test_local_asks_for_the_number_of_processes(tools, arguments):
  code, output = _run('local.sh', *arguments)
  assert code == 2
  assert output.startswith('error: Give the number of processes first')
  assert output.count('\n') == 1


def test_local_stops_all_when_one_fails(tools, monkeypatch):
  monkeypatch.setenv('FAILS', '2')
  monkeypatch.setenv('SLEEPS', '100')
  code, output = _run('local.sh', 3, '--workdir', 'x')
  assert code == 7
  assert output == (
    'asked 0\nprocess 2 ended with code 7; its last lines:\n[2] asked 2\n'
  )
  assert all(_gone(_note(tools, i)[0]) for i in range(3))


def test_local_starts_again_after_a_failure(tools, monkeypatch):
  monkeypatch.setenv('FAILS', '1')
  monkeypatch.setenv('ONCE', str(tools / 'once'))
  code, output = _run('local.sh', 2, '--restarts', 3, '--workdir', 'x y')
  assert code == 0
  assert 'ended with code 7; starting again' in output
  assert '(1 of 3)' in output
  assert output.count('asked 0') == 2
  assert _note(tools, 1)[2][-2:] == ['--workdir', 'x y']


def test_local_gives_up_after_so_many_restarts(tools, monkeypatch):
  monkeypatch.setenv('FAILS', '0')
  code, output = _run('local.sh', 2, '--restarts', 2, '--workdir', 'x')
  assert code == 7
  assert output.count('asked 0') == 3
  monkeypatch.setenv('CODE', '2')  # a mistake in the command
  code, output = _run('local.sh', 2, '--restarts', 2, '--workdir', 'x')
  assert (code, output) == (2, 'asked 0\n')
  code, output = _run('local.sh', 2, '--restarts', 'x', '--workdir', 'x')
  assert code == 2
  assert output.startswith('error: --restarts takes')


def test_local_says_nothing_more_when_process_zero_fails(tools, monkeypatch):
  monkeypatch.setenv('FAILS', '0')
  monkeypatch.setenv('SLEEPS', '100')
  code, output = _run('local.sh', 2, '--workdir', 'x')
  assert (code, output) == (7, 'asked 0\n')
  assert _gone(_note(tools, 1)[0])


@pytest.mark.parametrize(
  ('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_local_stops_all_when_it_is_stopped(tools, monkeypatch, number, code):
  monkeypatch.setenv('SLEEPS', '100')
  process = _start('local.sh', '2', '--workdir', 'x')
  _wait_for_notes(tools, 2, process)
  process.send_signal(number)
  assert _finish(process)[0] == code
  assert all(_gone(_note(tools, i)[0]) for i in range(2))


def test_local_leaves_no_files(tools, monkeypatch):
  temporary = tools / 'tmp'
  temporary.mkdir()
  monkeypatch.setenv('TMPDIR', str(temporary))
  assert _run('local.sh', 2, '--workdir', 'x')[0] == 0
  assert not list(temporary.iterdir())


def test_local_gives_each_process_a_gpu(tools, monkeypatch):
  monkeypatch.delenv('JAX_PLATFORMS')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5,6')
  assert _run('local.sh', 2, '--workdir', 'x')[0] == 0
  assert [_note(tools, i)[1] for i in range(2)] == ['3', '5']


def test_local_asks_the_driver_for_gpus(tools, monkeypatch):
  monkeypatch.delenv('JAX_PLATFORMS')
  (tools / 'nvidia-smi').write_text("#!/bin/bash\nprintf '0\\n1\\n'\n")
  (tools / 'nvidia-smi').chmod(0o755)
  assert _run('local.sh', 2, '--workdir', 'x')[0] == 0
  assert [_note(tools, i)[1] for i in range(2)] == ['0', '1']
  code, output = _run('local.sh', 3, '--workdir', 'x')
  assert code == 2
  assert output.startswith('error: 3 processes need one GPU each')
  assert 'JAX_PLATFORMS=cpu' in output


@pytest.mark.parametrize('hidden', [True, False])
def test_local_finds_no_gpus_where_there_are_none(tools, monkeypatch, hidden):
  monkeypatch.delenv('JAX_PLATFORMS')
  said = "printf '0\\n1\\n'" if hidden else 'echo No devices were found; exit 6'
  (tools / 'nvidia-smi').write_text(f'#!/bin/bash\n{said}\n')
  (tools / 'nvidia-smi').chmod(0o755)
  if hidden:
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  else:
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  assert _run('local.sh', 3, '--workdir', 'x')[0] == 0
  assert {_note(tools, i)[1] for i in range(3)} == {'' if hidden else None}


def test_local_says_so_where_there_is_no_python(tools, monkeypatch):
  monkeypatch.setenv('PYTHON', str(tools / 'absent'))
  code, output = _run('local.sh', 2, '--workdir', 'x')
  assert code == 2
  assert output.splitlines()[-1].startswith('error: Cannot run')


def test_slurm_numbers_the_tasks(tools):
  code, output = _run('slurm.sbatch', tools / 'a b', '--config', 'c d')
  assert code == 0
  assert output == 'srun --kill-on-bad-exit=1\nasked 0\nasked 1\n'
  for i in range(2):
    flags = ['--coordinator', 'node7:20123', '--processes', '2']
    flags += ['--process', str(i), '--workdir', str(tools / 'a b')]
    wanted = ['-m', 'adafm_jax.main', *flags, '--config', 'c d']
    assert _note(tools, i)[2] == wanted


def test_slurm_resumes_by_the_workdir_alone(tools, monkeypatch):
  workdir = tools / 'run'
  workdir.mkdir()
  monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
  # Requeued before the run had begun: it begins.
  _run('slurm.sbatch', workdir, '--config', 'c')
  assert _note(tools, 0)[2][-2:] == ['--config', 'c']
  (workdir / 'config.json').write_text('{}')
  _run('slurm.sbatch', workdir, '--config', 'c')
  assert _note(tools, 0)[2][-2:] == ['--workdir', str(workdir)]


def test_slurm_goes_back_into_the_queue_before_its_time_is_up(
  tools, monkeypatch
):
  monkeypatch.setenv('SLEEPS', '1')
  monkeypatch.setenv('SLURM_NTASKS', '1')
  process = _start('slurm.sbatch', str(tools / 'run'), '--config', 'c')
  _wait_for_notes(tools, 1, process)
  process.send_signal(signal.SIGUSR1)
  code, output = _finish(process)
  assert 'scontrol requeue 40123\n' in output
  assert code == 0  # that of srun, which the signal did not end
  assert _gone(_note(tools, 0)[0])


def test_slurm_passes_a_failure_on(tools, monkeypatch):
  monkeypatch.setenv('FAILS', '1')
  code, output = _run('slurm.sbatch', tools / 'run', '--config', 'c')
  assert code == 7
  assert 'requeue' not in output


def test_slurm_asks_for_the_workdir(tools):
  code, output = _run('slurm.sbatch', '--config', 'c')
  assert code == 2
  assert output.startswith('error: Give the workdir first')
