"""The batched sweep tool: images restored at many strengths in one pass.

  python -m adafm_jax.sweep --model FILE --input IMAGES --lambdas 0:1:0.1 \
    --output DIR

Writes NAME_coef_0.30.png for each image and strength, contact_sheet.png, and
psnr.csv and psnr.png where references are given.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from adafm_jax import errors, progress
from adafm_jax.commands import sweep_inputs, sweep_job, sweep_results
from adafm_jax.commands.sweep_inputs import Input
from adafm_jax.commands.sweep_job import SweepJob
from adafm_jax.commands.sweep_results import Kept
from adafm_jax.engine import compile_cache, heap
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.images.folder import find_images

if TYPE_CHECKING:
  import tqdm


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the tool's options."""
  add = parser.add_argument
  add(
    *('-m', '--model'),
    required=True,
    help='a released model by name (see `adafm models`), or a model file',
  )
  add(
    *('-i', '--input'),
    required=True,
    nargs='+',
    help='images of 8 bits a channel, or folders of them',
  )
  add('-o', '--output', required=True, help='folder for the results')
  _strength_arguments(parser.add_argument_group('how strong'))
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
    help='what computes (default: jax); openvino is faster on CPUs with'
    ' bfloat16 units (extra openvino)',
  )


def _strength_arguments(group: argparse._ArgumentGroup) -> None:
  add = group.add_argument
  add(
    '--lambdas',
    help='strengths 0 to 1, as 0:1:0.1 or 0,0.3,1 (default 0:1:0.1)',
  )
  add(
    '--levels',
    help="levels of the model's range instead, as 15,25,35: each at the"
    ' strength that the lambda curve gives (of noise in colour images)',
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


def run(options: argparse.Namespace) -> int:
  """Does what the command line says.

  Returns:
    Exit code: 0, or 1 if some images could not be read or swept.

  Raises:
    UserError: bad options, or no image could be.
  """
  compile_cache.enable()
  heap.keep()
  job = sweep_job.make_job(options)
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
  with progress.bar('sweeping', 'picture', total=total) as bar:
    for path in paths:
      try:
        result = _sweep(job, path, references.get(path), bar)
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
  if not psnr:
    raise UserError(problems)
  _write_summary(job, shown, psnr)
  errors.show(problems)
  return errors.EXIT_SOME_FAILED if problems else 0


def _sweep(
  job: SweepJob,
  path: pathlib.Path,
  reference: pathlib.Path | None,
  bar: tqdm.tqdm,
) -> Kept:
  """Reads an image, restores it at every strength, writes the pictures."""
  image = sweep_inputs.read(
    path,
    reference,
    arch=job.network.arch,
    task=job.span.task,
    scale=job.scale,
    border=job.border,
  )
  grey = image.like.pixels.shape[-1] < job.network.arch.channels
  if job.of_noise and (grey or image.stretched):
    kind = 'grey' if grey else 'of little contrast, which is raised first'
    raise UserError(
      f'It is {kind}, and its levels have other strengths than those of usual'
      ' colour images; give --lambdas, or use `adafm restore --level`.'
    )
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
    sweep_results.remove_table(job.output)
    return
  channels = Protocol.of(job.span.task).channels.upper()
  border = f', border of {job.border} cropped' if job.border else ''
  title += f'; PSNR on {channels}{border}'
  sweep_results.write_psnr(job.output, psnr, job.strengths, title=title)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
  """The command `python -m adafm_jax.sweep`."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.sweep',
    description='Restores images at many strengths in one batched pass.',
  )
  arguments(parser)
  return run(parser.parse_args(argv))
