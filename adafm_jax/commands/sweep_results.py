"""What a sweep writes: pictures, a contact sheet, PSNR as table and plot."""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax import files
from adafm_jax.evaluate import metrics
from adafm_jax.images import eight_bit as images
from adafm_jax.images import write as photo_write
from adafm_jax.images.photo import Photo
from adafm_jax.report import figures, sheet
from adafm_jax.restore import overwrite, own

SHEET = 'contact_sheet.png'
_TABLE, _PLOT = 'psnr.csv', 'psnr.png'
MAX_ROWS = 12  # of the contact sheet
_DETAIL = 160  # pixels, side of the window it shows


class Reference(NamedTuple):
  """A clean image, and how results are compared with it.

  Attributes:
    image: uint8 [H, W, C]; results may be larger at the bottom and right.
    border: pixels left out at each side.
    channels: 'rgb' or 'y', see `metrics.psnr`.
  """

  image: np.ndarray
  border: int
  channels: str


class Kept(NamedTuple):
  """What is kept of an image when its pictures are written.

  Attributes:
    name: of the file, without suffix, printable.
    cells: a detail of the input, each output and the reference.
    psnr: [L] dB, or None without a reference.
    notes: sentences for the user about what was not kept of the file.
  """

  name: str
  cells: list[sheet.Cell]
  psnr: np.ndarray | None
  notes: tuple[str, ...] = ()


def coefficient_names(strengths: Sequence[float]) -> list[str]:
  """Strengths as '0.30': two decimals.

  Up to four where they have as many, and more where that tells them apart.
  """
  for decimals in range(2, 18):
    names = [f'{s:.{decimals}f}' for s in strengths]
    exact = all(
      abs(float(name) - s) < 5e-5
      for name, s in zip(names, strengths, strict=True)
    )
    if exact and len(set(names)) == len(names):
      break
  return names


def check(
  folder: pathlib.Path,
  stems: Iterable[str],
  strengths: Sequence[float],
  *,
  referred: bool,
  replace: bool,
) -> None:
  """Checks that a sweep overwrites nothing but what an earlier one wrote.

  Args:
    folder: of the results.
    stems: of the images.
    strengths: of the sweep.
    referred: whether there are references.
    replace: whether anything may be replaced.

  Raises:
    UserError: a file of another program has the name of a result.
  """
  names = [SHEET, *((_TABLE, _PLOT) if referred else ())]
  for stem in stems:
    names += [_name(stem, x) for x in coefficient_names(strengths)]
  paths = (folder / name for name in names)
  overwrite.refuse(paths, replace=replace, earlier='sweep')


def remove_table(folder: pathlib.Path) -> None:
  """Removes the PSNR of an earlier sweep, whose pictures are replaced."""
  for name in (_TABLE, _PLOT):
    if own.is_own(folder / name):
      (folder / name).unlink()


def _name(stem: str, coefficient: str) -> str:
  return f'{stem}_coef_{coefficient}.png'


def write_image(
  folder: pathlib.Path,
  stem: str,
  like: Photo,
  shown: np.ndarray,
  outputs: Iterable[tuple[int, np.ndarray]],
  labels: Sequence[str],
  names: Sequence[str],
  reference: Reference | None,
) -> Kept:
  """Writes STEM_coef_NAME.png of each output as it comes.

  No output is kept, since all of a large image may not fit in memory.

  Args:
    folder: of the pictures.
    stem: of their names.
    like: the photograph, whose alpha and metadata they keep.
    shown: uint8 [H, W, C], the input.
    outputs: (index of its strength, uint8 [H, W, C]). Without a reference the
      first one decides which detail the sheet shows: begin with the cleanest.
    labels: of each strength, on the sheet.
    names: of each strength, in the file names.
    reference: for PSNR, or None.

  Returns:
    What is kept of the image.
  """
  window = sheet.crop_detail(reference.image, _DETAIL) if reference else None
  psnr = np.full(len(labels), np.nan)
  notes: tuple[str, ...] = ()
  cells = [sheet.Cell(np.zeros((1, 1, 1), np.uint8), '')] * len(labels)
  for i, output in outputs:
    path = folder / _name(stem, names[i])
    notes = photo_write.write_photo(
      path,
      (output / 255).astype(np.float32),
      like,
      format='PNG',
      written=own.mark,
    )
    caption = labels[i]
    if reference:
      psnr[i] = _psnr(reference, output)
      caption += f'  {psnr[i]:.2f} dB'
    window = window or sheet.crop_detail(output, _DETAIL)
    cells[i] = sheet.Cell(output[window].copy(), caption)  # a view keeps all
  assert window is not None
  cells.insert(0, sheet.Cell(shown[window].copy(), 'input'))
  if reference:
    cells.append(sheet.Cell(reference.image[window].copy(), 'reference'))
  name = stem.encode('utf-8', 'replace').decode()
  notes = (*like.notes, *notes)
  return Kept(name, cells, psnr if reference else None, notes)


def _psnr(reference: Reference, output: np.ndarray) -> float:
  height, width, _ = reference.image.shape
  psnr = metrics.psnr(
    reference.image,
    output[:height, :width],
    border=reference.border,
    channels=reference.channels,
  )
  return min(psnr, metrics.BEST)


def write_sheet(
  path: pathlib.Path, results: Sequence[Kept], *, title: str, left: int
) -> None:
  """Writes the contact sheet.

  Args:
    path: of the PNG.
    results: a row each.
    title: what was swept.
    left: how many more images are not shown.
  """
  title += ': most textured detail of each image, true pixels'
  picture = sheet.contact_sheet(
    [result.cells for result in results],
    title=title + (f'; {left} more images not shown' if left else ''),
    row_captions=[result.name for result in results],
  )
  images.write_png(path, np.asarray(picture), own.mark)


def write_psnr(
  folder: pathlib.Path,
  psnr: Sequence[tuple[str, np.ndarray]],
  strengths: Sequence[float],
  *,
  title: str,
) -> None:
  """Writes psnr.csv, an image a row and the mean last, and psnr.png.

  Args:
    folder: where.
    psnr: name and [L] dB of each image.
    strengths: [L].
    title: of the plot; it should name the protocol.
  """
  mean = np.mean([values for _, values in psnr], axis=0)
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(['image', *coefficient_names(strengths)])
  for name, values in [*psnr, ('mean', mean)]:
    writer.writerow([name, *(f'{value:.4f}' for value in values)])
  files.write_text(folder / _TABLE, text.getvalue(), own.mark)
  order = np.argsort(strengths)
  figures.plot_psnr(
    folder / _PLOT,
    np.array(strengths)[order],
    {name: values[order] for name, values in psnr},
    title=title,
    written=own.mark,
  )
