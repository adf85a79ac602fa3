"""The batched sweep tool: images restored at many strengths in one pass.

  python -m adafm_jax.sweep --model FILE --input IMAGES --lambdas 0:1:0.1 \
    --output DIR

Writes NAME_coef_0.30.png for each image and strength, contact_sheet.png, and
psnr.csv and psnr.png where references are given.
"""

from __future__ import annotations

import argparse
import csv
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import tqdm

from adafm_jax import files, images, memory, model_file
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate import figures, metrics, sheet
from adafm_jax.evaluate.benchmark import Protocol
from adafm_jax.models import restorer
from adafm_jax.restore import batched, pipeline

_MOST_ROWS = 12  # of the contact sheet
_DETAIL = 160  # pixels, side of the window it shows


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the tool's options."""
  add = parser.add_argument
  add('-m', '--model', required=True, help='model file (.safetensors)')
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
    help='bytes the sweep may take, such as 2GiB (default: half of what is'
    ' free); strengths go through in chunks that fit',
  )


class Result(NamedTuple):
  """What is kept of one image when its files are written.

  Attributes:
    name: of the file, without suffix.
    cells: a detail of the input, of every output and of the reference.
    psnr: [L] dB, or None without a reference.
  """

  name: str
  cells: list[sheet.Cell]
  psnr: np.ndarray | None


class Job(NamedTuple):
  """What all images of a call share.

  Attributes:
    model: the network and its levels.
    sweep: jitted `batched.make_sweep`.
    strengths: [L] in [0, 1].
    labels: of each strength, for the sheet.
    scale: factor by which inputs are enlarged first.
    memory: bytes one pass may take.
    output: folder.
  """

  model: model_file.Model
  sweep: batched.Sweep
  strengths: list[float]
  labels: list[str]
  scale: float
  memory: int
  output: pathlib.Path


def run(options: argparse.Namespace) -> None:
  """Does what the command line says.

  Raises:
    UserError: bad options; or, after all other images are done, a sentence
      for each image that could not be read or swept.
  """
  job = _make_job(options)
  paths = images.find(options.input)
  _check_names(paths)
  references = _find_references(options.references, paths)
  results, problems = [], []
  for path in tqdm.tqdm(paths, desc='sweeping', unit='image'):
    try:
      results.append(_sweep_file(job, path, references.get(path)))
    except UserError as error:
      problems += error.problems
  if results:
    _write_sheet(job, results)
  if results and references:
    _write_psnr(job, results)
  count = len(job.strengths)
  print(f'{len(results)} image(s) at {count} strengths in {job.output}')
  if problems:
    raise UserError(problems)


def _make_job(options: argparse.Namespace) -> Job:
  model = model_file.load(options.model)
  strengths, labels = choose_strengths(model, options.lambdas, options.levels)
  if model.levels.task == 'sr' and options.scale is None:
    raise UserError(
      'This model is for super-resolution: give --scale, the factor by which'
      ' the input is to be enlarged, or 1 if it has been enlarged already.'
    )
  if model.levels.task != 'sr' and options.scale is not None:
    raise UserError(
      f'--scale is for super-resolution; this model is for {model.levels.task}.'
    )
  if options.scale is not None and not 1 <= options.scale <= 16:
    raise UserError(f'--scale is {options.scale:g}; it must be 1 to 16.')
  return Job(
    model=model,
    sweep=jax.jit(batched.make_sweep(restorer.make_apply(model.arch))),
    strengths=strengths,
    labels=labels,
    scale=options.scale or 1.0,
    memory=memory.parse(options.memory)
    if options.memory
    else memory.available(),
    output=pathlib.Path(options.output),
  )


def choose_strengths(
  model: model_file.Model, lambdas: str | None, wanted: str | None
) -> tuple[list[float], list[str]]:
  """The strengths to sweep and how each is called on the sheet.

  Args:
    model: whose lambda curve turns levels into strengths.
    lambdas: such as '0:1:0.1', or None.
    wanted: levels such as '15,25,35', or None.

  Raises:
    UserError: both are given, a value is out of range or given twice.
  """
  if lambdas and wanted:
    raise UserError('Give --lambdas or --levels, not both.')
  if wanted:
    values = levels.parse_values(wanted)
    label = levels.TASKS[model.levels.task].label
    strengths = [model.strength(value) for value in values]
    labels = [
      f'{label(v)}, strength {s:.3g}'
      for v, s in zip(values, strengths, strict=True)
    ]
  else:
    strengths = levels.parse_values(lambdas or '0:1:0.1')
    labels = [f'strength {s:g}' for s in strengths]
  for strength in strengths:
    if not 0 <= strength <= 1:
      raise UserError(f'--lambdas has {strength:g}; strengths are 0 to 1.')
  if len(set(strengths)) < len(strengths):
    raise UserError('Two of the strengths are equal; give each once.')
  return strengths, labels


def _check_names(paths: Sequence[pathlib.Path]) -> None:
  """Results are named by stems, so no two may be equal."""
  seen: dict[str, pathlib.Path] = {}
  for path in paths:
    if path.stem in seen:
      raise UserError(
        f'{seen[path.stem]} and {path} would get results of the same name;'
        ' rename one or sweep them separately.'
      )
    seen[path.stem] = path


def _find_references(
  given: str | None, paths: Sequence[pathlib.Path]
) -> dict[pathlib.Path, pathlib.Path]:
  """The reference of each input; {} if none are wanted."""
  if given is None:
    return {}
  found = images.find(given)
  if len(paths) == len(found) == 1:
    return {paths[0]: found[0]}
  by_stem = {path.stem: path for path in found}
  if missing := [p.name for p in paths if p.stem not in by_stem]:
    raise UserError(
      f'{given} has no reference for {", ".join(missing[:5])}; references go'
      ' by file name without suffix.'
    )
  return {path: by_stem[path.stem] for path in paths}


def _sweep_file(
  job: Job, path: pathlib.Path, reference_path: pathlib.Path | None
) -> Result:
  """Restores one image at every strength and writes the results."""
  image = images.read(path)
  pixels, finish = pipeline.to_network(
    image, job.model.arch.channels, scale=job.scale
  )
  reference = None
  if reference_path:
    reference = _fit_reference(
      images.read(reference_path), finish(pixels).shape, reference_path
    )
  length = batched.chunk_length(
    job.model.arch, (1, *pixels.shape), len(job.strengths), job.memory
  )
  parts = batched.in_chunks(
    job.sweep, job.model.params, pixels[None], np.array(job.strengths), length
  )
  outputs = np.concatenate([finish(np.asarray(part)[:, 0]) for part in parts])
  for name, output in zip(
    coefficient_names(job.strengths), outputs, strict=True
  ):
    images.write_png(job.output / f'{path.stem}_coef_{name}.png', output)
  psnr = None if reference is None else _psnr(job, reference, outputs)
  return Result(
    path.stem, _cells(job, finish(pixels), outputs, reference, psnr), psnr
  )


def coefficient_names(strengths: Sequence[float]) -> list[str]:
  """Strengths as '0.30': two decimals, or as many as tell them apart."""
  for decimals in range(2, 17):
    names = [f'{s:.{decimals}f}' for s in strengths]
    if len(set(names)) == len(names):
      break
  return names


def _fit_reference(
  reference: np.ndarray, shape: tuple[int, ...], path: pathlib.Path
) -> np.ndarray:
  """Cuts a super-resolution reference to whole multiples of the scale."""
  height, width, channels = shape
  surplus = (reference.shape[0] - height, reference.shape[1] - width)
  if min(surplus) < 0 or max(surplus) > 16:
    raise UserError(
      f'The reference {path} has {reference.shape[0]} x {reference.shape[1]}'
      f' pixels; the result has {height} x {width}.'
    )
  return images.to_channels(reference[:height, :width], channels)


def _psnr(job: Job, reference: np.ndarray, outputs: np.ndarray) -> np.ndarray:
  protocol = Protocol.of(job.model.levels.task)
  return np.array(
    [
      min(
        100.0,
        metrics.psnr(
          reference,
          output,
          border=protocol.border(job.scale),
          channels=protocol.channels,
        ),
      )
      for output in outputs
    ]
  )


def _cells(job, shown, outputs, reference, psnr) -> list[sheet.Cell]:
  """One row of the contact sheet: a detail of every picture."""
  clearest = outputs[-1] if reference is None else reference
  window = sheet.crop_detail(clearest, _DETAIL)
  values = (
    [''] * len(outputs) if psnr is None else [f'{p:.2f} dB' for p in psnr]
  )
  cells = [sheet.Cell(shown[window], 'input')]
  for output, label, value in zip(outputs, job.labels, values, strict=True):
    cells.append(sheet.Cell(output[window], f'{label}  {value}'.strip()))
  if reference is not None:
    cells.append(sheet.Cell(reference[window], 'reference'))
  return cells


def _write_sheet(job: Job, results: Sequence[Result]) -> None:
  shown = results[:_MOST_ROWS]
  left = len(results) - len(shown)
  span = job.model.levels
  picture = sheet.contact_sheet(
    [result.cells for result in shown],
    title=f'{span.task}, {span}: most textured detail of each image, true'
    ' pixels' + (f'; {left} more images not shown' if left else ''),
    row_captions=[result.name for result in shown],
  )
  images.write_png(job.output / 'contact_sheet.png', np.asarray(picture))


def _write_psnr(job: Job, results: Sequence[Result]) -> None:
  table = np.array([result.psnr for result in results])
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(['image', *coefficient_names(job.strengths)])
  rows = [*zip((r.name for r in results), table, strict=True)]
  for name, values in [*rows, ('mean', table.mean(axis=0))]:
    writer.writerow([name, *(f'{value:.4f}' for value in values)])
  files.write_text(job.output / 'psnr.csv', text.getvalue())
  order = np.argsort(job.strengths)
  figures.plot_psnr(
    job.output / 'psnr.png',
    np.array(job.strengths)[order],
    {name: values[order] for name, values in rows},
    title=f'{job.model.levels.task}, {job.model.levels}',
  )


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m adafm_jax.sweep`."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.sweep',
    description='Restores images at many strengths in one batched pass.',
  )
  arguments(parser)
  run(parser.parse_args(argv))


if __name__ == '__main__':
  sys.exit(main())
