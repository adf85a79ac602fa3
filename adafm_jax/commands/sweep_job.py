"""What all images of a sweep share: network, strengths and folder."""

from __future__ import annotations

import argparse
import math
import pathlib
from typing import NamedTuple

import jax

from adafm_jax import files, zoo
from adafm_jax.degrade import level as levels
from adafm_jax.engine import memory as memories
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.export import openvino_runtime
from adafm_jax.model_file import header as headers
from adafm_jax.restore import setting


class SweepJob(NamedTuple):
  """What all images of a call share.

  Attributes:
    network: that runs the model.
    span: the model's levels.
    strengths: [L] in [0, 1].
    labels: of each strength, for the sheet.
    scale: factor by which inputs are enlarged first.
    output: folder.
    of_noise: whether the strengths are those of levels of noise: in a colour
      image of usual contrast, others have other strengths (`setting.choose`).
  """

  network: Network
  span: levels.LevelRange
  strengths: list[float]
  labels: list[str]
  scale: float
  output: pathlib.Path
  of_noise: bool = False

  @property
  def border(self) -> int:
    """Pixels that PSNR leaves out: of an unknown scale, the largest one's."""
    if self.span.task == 'sr' and self.scale == 1:
      return math.ceil(max(self.span.start, self.span.end))
    return Protocol.of(self.span.task).border(self.scale)


def make_job(options: argparse.Namespace) -> SweepJob:
  """Checks the options, loads the model and makes the output folder.

  Raises:
    UserError: see the sentences below.
  """
  model = zoo.load(options.model)
  if options.path is not None:
    model = model.with_path(options.path)
  strengths, labels = choose_strengths(model, options.lambdas, options.levels)
  task = model.levels.task
  if task == 'sr' and options.scale is None:
    raise UserError(
      'This model is for super-resolution: give --scale, the factor by which'
      ' the input is to be enlarged, or 1 if it has been enlarged already.'
    )
  if task != 'sr' and options.scale is not None:
    raise UserError(
      f'--scale is for super-resolution; this model is for {task}.'
    )
  if options.scale is not None and not 1 <= options.scale <= 16:
    raise UserError(f'--scale is {options.scale:g}; it must be 1 to 16.')
  if not options.output:
    raise UserError('--output is empty; give a folder for the results.')
  files.make_folder(options.output)
  return SweepJob(
    network=Network(
      model.arch,
      jax.device_put(model.params),
      memory=None if options.memory is None else memories.parse(options.memory),
      runtime=openvino_runtime.choose(options.runtime, model, model.params),
    ),
    span=model.levels,
    strengths=strengths,
    labels=labels,
    scale=options.scale or 1.0,
    output=pathlib.Path(options.output),
    of_noise=options.levels is not None and task == 'denoise',
  )


def choose_strengths(
  model: headers.Header, lambdas: str | None, wanted: str | None
) -> tuple[list[float], list[str]]:
  """The strengths to sweep and how each is called on the sheet.

  Args:
    model: whose lambda curve turns levels into strengths.
    lambdas: such as '0:1:0.1', or None.
    wanted: levels such as '15,25,35', or None.

  Raises:
    UserError: both are given, a value is out of range, two strengths are
      equal, or the model has no AdaFM layers.
  """
  if lambdas is not None and wanted is not None:
    raise UserError('Give --lambdas or --levels, not both.')
  if wanted is not None:
    values = levels.parse_values(wanted)
    strengths = [model.strength(value) for value in values]
    label = levels.TASKS[model.levels.task].label
    labels = [
      f'{label(v)}, strength {s:.3g}'
      for v, s in zip(values, strengths, strict=True)
    ]
  else:
    text = '0:1:0.1' if lambdas is None else lambdas
    strengths = [s + 0.0 for s in levels.parse_values(text)]  # no -0.0
    labels = [f'strength {s:g}' for s in strengths]
  setting.check_strength(model, strengths)
  seen: dict[float, str] = {}
  for strength, label_ in zip(strengths, labels, strict=True):
    if strength in seen:
      raise UserError(
        f'"{seen[strength]}" and "{label_}" are the same strength; leave one'
        ' out.'
      )
    seen[strength] = label_
  return strengths, labels
