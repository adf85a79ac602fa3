"""The batched sweep tool: images restored at many strengths in one pass.

  python -m adafm_jax.sweep --model FILE --input IMAGES --lambdas 0:1:0.1 \
    --output DIR

Writes NAME_coef_0.30.png for each image and strength, contact_sheet.png, and
psnr.csv and psnr.png where references are given.
"""

from __future__ import annotations

import argparse
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
import tqdm

from adafm_jax import zoo
from adafm_jax.commands import sweep_inputs, sweep_results
from adafm_jax.commands.sweep_inputs import Input
from adafm_jax.commands.sweep_results import Kept
from adafm_jax.degrade import level as levels
from adafm_jax.engine import compile_cache
from adafm_jax.engine import memory as memories
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.export import openvino_runtime
from adafm_jax.images.folder import find_images
from adafm_jax.model_file import header as headers
from adafm_jax.restore import setting


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the tool's options."""
  add = parser.add_argument
  add('-m', '--model', required=True, help='model file, or a name')
  add(
    '-i', '--input', required=True, nargs='+', help='images, or folders of them'
  )
  add('-o', '--output', required=True, help='folder for the results')
  add(
    '--lambdas',
    help='strengths 0 to 1, as 0:1:0.1 or 0,0.3,1 (default 0:1:0.1)',
  )
  add(
    '--levels',
    help="levels in the model's unit instead, as 15,25,35: each at the strength"
    ' that the lambda curve gives',
  )
  add(
    '--path',
    help='line: straight between the two trained levels, as in the paper'
    " (default: the model's own path; see `adafm info`)",
  )
  add(
    '--scale',
    type=float,
    help='super-resolution: enlarge the input by this factor first; 1 if it has'
    ' been enlarged already',
  )
  add(
    '--references',
    help='clean images of the same names, file or folder, for PSNR',
  )
  add(
    '--memory',
    help='how much the sweep may take, such as 2GiB (default: half of what is'
    ' free); strengths, and tiles of large images, go through as they fit',
  )
  add(
    '--overwrite',
    action='store_true',
    help='replace whatever has the name of a result; results of an earlier'
    ' sweep are replaced without it',
  )
  add(
    '--runtime',
    default='jax',
    choices=['jax', 'openvino'],
    help='openvino is faster on CPUs with bfloat16 units (extra openvino)',
  )


class SweepJob(NamedTuple):
  """What all images of a call share.

  Attributes:
    network: that runs the model.
    span: the model's levels.
    strengths: [L] in [0, 1].
    labels: of each strength, for the sheet.
    scale: factor by which inputs are enlarged first.
    output: folder.
  """

  network: Network
  span: levels.LevelRange
  strengths: list[float]
  labels: list[str]
  scale: float
  output: pathlib.Path

  @property
  def border(self) -> int:
    """Pixels that PSNR leaves out: of an unknown scale, the largest one's."""
    if self.span.task == 'sr' and self.scale == 1:
      return math.ceil(max(self.span.start, self.span.end))
    return Protocol.of(self.span.task).border(self.scale)


def run(options: argparse.Namespace) -> None:
  """Does what the command line says.

  Raises:
    UserError: bad options; or, after all other images are done, a sentence
      for each image that could not be read or swept.
  """
  compile_cache.enable()
  job = make_job(options)
  paths = find_images(options.input)
  sweep_inputs.check_names(paths, job.output)
  references = sweep_inputs.find_references(options.references, paths)
  sweep_results.check(
    job.output,
    [path.stem for path in paths],
    job.strengths,
    referred=bool(references),
    replace=options.overwrite,
  )
  shown: list[Kept] = []
  psnr, problems = [], []
  total = len(paths) * len(job.strengths)
  with tqdm.tqdm(total=total, desc='sweeping', unit='picture') as bar:
    for path in paths:
      try:
        image = sweep_inputs.read(
          path,
          references.get(path),
          arch=job.network.arch,
          task=job.span.task,
          scale=job.scale,
          border=job.border,
        )
        result = _sweep(job, image, bar)
      except UserError as error:
        problems += [
          problem if str(path) in problem else f'{path}: {problem}'
          for problem in error.problems
        ]
        bar.total -= len(job.strengths)
        continue
      for note in result.notes:
        bar.write(f'{path}: {note}')
      psnr.append((result.name, result.psnr))
      if len(shown) < sweep_results.MAX_ROWS:
        shown.append(result)
  if psnr:
    _write_summary(job, shown, psnr)
  if problems:
    raise UserError(problems)


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
  output = pathlib.Path(options.output)
  try:
    output.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'Cannot make the folder {output}: {error.strerror}.'
    ) from error
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
    output=output,
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


def _sweep(job: SweepJob, image: Input, bar: tqdm.tqdm) -> Kept:
  """Restores one image at every strength and writes the pictures."""
  return sweep_results.write_image(
    job.output,
    image.stem,
    image.like,
    image.finish(image.pixels),
    _outputs(job, image, bar),
    job.labels,
    sweep_results.coefficient_names(job.strengths),
    image.reference,
  )


def _outputs(
  job: SweepJob, image: Input, bar: tqdm.tqdm
) -> Iterator[tuple[int, np.ndarray]]:
  """Each strength's index and picture, the last strength first."""
  i = len(job.strengths)
  strengths = np.array(job.strengths[::-1])
  for part in job.network.sweep(image.pixels[None], strengths):
    for output in part[:, 0]:
      i -= 1
      yield i, image.finish(output)
      bar.update()


def _write_summary(
  job: SweepJob, shown: Sequence[Kept], psnr: Sequence
) -> None:
  title = f'{job.span.task}, {job.span}'
  sweep_results.write_sheet(
    job.output / sweep_results.SHEET,
    shown,
    title=title,
    left=len(psnr) - len(shown),
  )
  print(f'{len(psnr)} image(s), {len(job.strengths)} strengths: {job.output}')
  if psnr[0][1] is None:
    return
  channels = Protocol.of(job.span.task).channels.upper()
  border = f', border of {job.border} cropped' if job.border else ''
  title += f'; PSNR on {channels}{border}'
  sweep_results.write_psnr(job.output, psnr, job.strengths, title=title)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m adafm_jax.sweep`."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.sweep',
    description='Restores images at many strengths in one batched pass.',
  )
  arguments(parser)
  run(parser.parse_args(argv))
