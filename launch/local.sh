#!/usr/bin/env bash
# Trains with N processes on this machine, as one program:
#
#   launch/local.sh N [--restarts R] --config configs/quickstart.py --workdir DIR
#
# Everything else goes to `python -m adafm_jax.main`. Process 0 prints to the
# console; the output of another process is shown if it fails. If one fails, or
# on Ctrl-C, all are stopped, and the exit code is that of the failure. With
# --restarts R all are then started again, up to R times, and resume from the
# last checkpoint, but not after a mistake in the command (exit code 2). If there
# are GPUs, each process gets its own.
#
#   PYTHON             interpreter, default: python
#   JAX_PLATFORMS=cpu  leaves GPUs alone
#
# Works in bash 3.2, which macOS has.
set -u

fail() {
  echo "error: $1" >&2
  exit 2
}

[[ ${1:-} =~ ^[1-9][0-9]*$ ]] ||
  fail 'Give the number of processes first: launch/local.sh N --config FILE --workdir DIR.'
count=$1
shift
restarts=0
if [[ ${1:-} == --restarts ]]; then
  [[ ${2:-} =~ ^[0-9]+$ ]] ||
    fail '--restarts takes how often to start again: --restarts 3.'
  restarts=$2
  shift 2
fi
python=${PYTHON:-python}

gpus=()
if [[ ${JAX_PLATFORMS:-} == cpu ]]; then
  :
elif [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then  # empty: none
  IFS=, read -r -a gpus <<<"$CUDA_VISIBLE_DEVICES"
elif command -v nvidia-smi >/dev/null; then
  while read -r gpu; do
    [[ $gpu =~ ^[0-9]+$ ]] && gpus+=("$gpu")  # and no words where there are none
  done < <(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null)
fi
if ((${#gpus[@]} > 0 && ${#gpus[@]} < count)); then
  fail "$count processes need one GPU each, but there are ${#gpus[@]}; start fewer, or set JAX_PLATFORMS=cpu."
fi

free_port() {
  "$python" -c 'import socket
with socket.socket() as s:
  s.bind(("127.0.0.1", 0))
  print(s.getsockname()[1])'
}
port=$(free_port) || fail "Cannot run $python; set PYTHON."

logs=$(mktemp -d) || exit 1
pids=()  # of running processes; empty once a process has ended
codes=() # exit codes of ended processes

stop_all() {
  # SIGKILL: JAX's preemption service catches SIGTERM, and a run killed at any
  # moment resumes exactly.
  # bash reports a death to the user, unless it waits for that very process.
  for ((i = 0; i < count; i++)); do
    [[ -n ${pids[i]:-} ]] && kill -KILL "${pids[i]}"
  done 2>/dev/null
  for ((i = 0; i < count; i++)); do
    [[ -n ${pids[i]:-} ]] && wait "${pids[i]}"
  done 2>/dev/null
}
trap 'stop_all; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_all() {
  pids=() codes=() running=$count failed=0
  for ((i = 0; i < count; i++)); do
    (
      ((${#gpus[@]} > 0)) && export CUDA_VISIBLE_DEVICES="${gpus[i]}"
      ((i > 0)) && exec >"$logs/$i" 2>&1
      exec "$python" -m adafm_jax.main --coordinator "127.0.0.1:$port" \
        --processes "$count" --process "$i" "$@"
    ) &
    pids[i]=$!
  done
}

# Checks which processes have ended; sets `running` and `failed`, the exit code.
mistake=2 aborted=134
look() {
  for ((i = 0; i < count; i++)); do
    [[ -z ${pids[i]} ]] && continue
    kill -0 "${pids[i]}" 2>/dev/null && continue
    wait "${pids[i]}" 2>/dev/null
    codes[i]=$?
    pids[i]=
    running=$((running - 1))
    # The first failure is the cause, unless JAX aborted that process because
    # another one is gone. A user's mistake is always the cause.
    if ((failed == 0 || failed == aborted || codes[i] == mistake)); then
      failed=${codes[i]}
    fi
  done
}
wait_for_all() {
  while ((running > 0 && failed == 0)); do
    sleep 0.2
    look
  done

  if ((failed != 0)); then
    # Give the others a moment: one of them may know the cause.
    for ((tick = 0; tick < 10 && running > 0; tick++)); do
      sleep 0.2
      look
    done
    # If process 0 made the mistake too, it is on the console already.
    for ((i = 1; i < count && ${codes[0]:-0} != mistake; i++)); do
      code=${codes[i]:-0}
      ((code == 0 || (code != failed && code == aborted))) && continue
      echo "process $i ended with code $code; its last lines:" >&2
      tail -n 20 "$logs/$i" | sed "s/^/[$i] /" >&2
    done
  fi
}

start_all "$@"
wait_for_all
for ((try = 1; try <= restarts; try++)); do
  ((failed == 0 || failed == mistake)) && break
  stop_all
  echo "a process ended with code $failed; starting again from the last checkpoint ($try of $restarts)" >&2
  port=$(free_port) || break
  start_all "$@"
  wait_for_all
done
exit "$failed"
