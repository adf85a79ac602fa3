"""All images of an experiment: training, held out, evaluation."""

from __future__ import annotations

import dataclasses
import pathlib

import jax

from adafm_jax import errors
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.data import known, overlap, sources
from adafm_jax.data.image import NamedImage, identify
from adafm_jax.degrade import level as levels
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.evaluate import metrics, scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.train import images as training
from adafm_jax.train import logs, stages
from adafm_jax.train import mesh as meshes

HELDOUT = 'heldout'


@dataclasses.dataclass(frozen=True)
class Data:
  """The images of an experiment.

  Attributes:
    learnt: training images, and held-out ones for validation and calibration.
    sets: evaluation sets by name.
  """

  learnt: training.Training
  sets: dict[str, list[NamedImage]]


def load(config: Config, read: sources.Load = sources.load) -> Data:
  """Loads all images of the experiment, so that missing ones show early.

  Args:
    config: of the experiment.
    read: `sources.load`, or what remembers its results.
  """
  learnt = training.load(config, read)
  most = config.evaluate.images
  sets = {HELDOUT: learnt.heldout[: most or None]}
  for name, source in configs.evaluation_sets(config).items():
    data_dir = config.data.data_dir
    sets[name] = read(
      source or sources.named(name, data_dir),
      field=f'evaluate.sets={name}',
      option=f'--config.evaluate.sets={name}=',
      channels=config.model.channels,
      data_dir=data_dir,
      most=most,
    )
  _check_sizes(config, sets)
  seen = {name: identify(x) for name, x in sets.items() if name != HELDOUT}
  overlap.refuse(
    learnt.seen,
    {HELDOUT: learnt.heldout_seen, **seen},
    field=config.data.train,
  )
  return Data(learnt, sets)


def _check_sizes(config: Config, sets: dict[str, list[NamedImage]]) -> None:
  """Refuses images that are too small to measure at the end of the run."""
  wanted = levels.level_list(config.evaluate.levels, config.levels, 2)
  inside = metrics.SSIM_WINDOW if config.evaluate.ssim else 1
  problems = []
  for name, images in sets.items():
    judged = known.judged(name, config.task)
    least = max(_least_side(config, inside, level, judged) for level in wanted)
    try:
      sources.check_sizes(
        [(i.name, *i.pixels.shape[:2]) for i in images],
        least,
        field=name if name == HELDOUT else f'evaluate.sets={name}',
        what='the SSIM window and the border' if inside > 1 else 'the border',
      )
    except UserError as error:
      problems += error.problems
  errors.raise_all(problems)


def _least_side(
  config: Config, inside: int, level: float, judged: known.Judged
) -> int:
  """The shortest side that leaves `inside` pixels to measure.

  For whole scales `make_case` crops it to a multiple.
  """
  least = inside + 2 * judged.pixels(level)
  if config.task == 'sr' and level == int(level):
    least = -(-least // int(level)) * int(level)
  return least


def open_run(config: Config, data: Data, workdir: pathlib.Path) -> stages.Run:
  """Decides where the training images are kept, and logs it.

  Args:
    config: of the experiment.
    data: its images.
    workdir: of the run; keeps the choice.

  Raises:
    UserError: the images, or `model.init`, have changed since the run began.
  """
  train, heldout = data.learnt.train, data.learnt.heldout
  placement, why = training.place(
    config, data.learnt, workdir, anew=not stages.begun(workdir)
  )
  logs.say(
    f'{len(train)} training images, {len(heldout)} held out;'
    f' {jax.device_count()} x {jax.devices()[0].device_kind},'
    f' {jax.process_count()} process(es); workdir {workdir}'
  )
  logs.say(why)
  config = dataclasses.replace(
    config, data=dataclasses.replace(config.data, placement=placement)
  )
  return stages.Run(
    config, workdir, data.learnt.train, _validation(config, data)
  )


def _validation(config: Config, data: Data) -> stages.MakeValidate:
  """Makes the validation of a stage: PSNR on a few held-out images."""
  images = meshes.mine(data.learnt.heldout[: config.run.validate_images])
  protocol = Protocol.of(config.task, config.measured_noise)

  def make(arch, level, strength):
    cases = make_cases(images, level, protocol)
    label = f'psnr_{levels.TASKS[config.task].label(level).replace(" ", "_")}'

    def validate(params):
      local = Network(arch, jax.device_get(params), dtype=config.model.compute)
      yield (
        label,
        scores.mean_psnr(
          local, cases, strength, protocol, level, together=meshes.together
        ),
      )

    return validate

  return make
