"""The pictures of a card: a contact sheet, and where the model fails.

All photographs come with scikit-image or matplotlib.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

from adafm_jax import zoo
from adafm_jax.degrade import level as levels
from adafm_jax.evaluate import metrics
from adafm_jax.images import eight_bit as images
from adafm_jax.report import sheet
from adafm_jax.report.sheet import Cell
from release import classical, measure
from release.pictures import scenes_dejpeg, scenes_denoise, scenes_sr, studio
from release.pictures.studio import Scene, Studio

FAILURES: dict[str, Callable[[Studio], list[Scene]]] = {
  'denoise': scenes_denoise.failures,
  'dejpeg': scenes_dejpeg.failures,
  'sr': scenes_sr.failures,
}
_SHOWN = ('chelsea', 'coffee', 'astronaut')
_DETAIL = 160
_ZOOM = 2


def make(name: str, folder: pathlib.Path) -> dict[str, Any]:
  """Writes the pictures of a released model.

  Args:
    name: of the model.
    folder: of NAME_sheet.png, NAME_failures.png and, of a denoiser,
      NAME_camera.png.

  Returns:
    JSON values: the file of each picture, and the title and text of its rows.

  Raises:
    UserError: the model is unknown, or a file can't be written.
  """
  taken = studio.open_studio(zoo.load(name))
  task = taken.model.levels.task
  made = {}
  with tqdm.tqdm(total=2 + (task == 'denoise'), unit='picture') as bar:
    made['sheet'] = write_sheet(taken, folder / f'{name}_sheet.png')
    bar.update()
    rows = FAILURES[task](taken)
    made['failures'] = write_scenes(folder / f'{name}_failures.png', rows)
    bar.update()
    if task == 'denoise':
      rows = scenes_denoise.camera(taken)
      made['camera'] = write_scenes(folder / f'{name}_camera.png', rows)
      bar.update()
  return made


def write_scenes(path: pathlib.Path, scenes: Sequence[Scene]) -> dict[str, Any]:
  """Writes scenes as the numbered rows of one picture."""
  picture = sheet.contact_sheet(
    [scene.cells for scene in scenes],
    row_captions=[f'{i + 1}. {x.title}' for i, x in enumerate(scenes)],
    zoom=_ZOOM,
  )
  images.write_png(path, np.asarray(picture))
  rows = [{'title': scene.title, 'text': scene.text} for scene in scenes]
  return {'file': path.name, 'rows': rows}


def write_sheet(taken: Studio, path: pathlib.Path) -> dict[str, Any]:
  """Writes photographs at three levels by every method, not scaled."""
  model = taken.model
  known = [x for x in measure.default_levels(model) if model.levels.contains(x)]
  chosen = [known[0], known[len(known) // 2], known[-1]]
  label = levels.TASKS[model.levels.task].label
  subjects = measure.make_subjects(model)
  rows = [
    _sheet_row(taken, subjects, photo, level)
    for photo, level in zip(_SHOWN, chosen, strict=True)
  ]
  columns = ['input']
  if model.levels.task in classical.CHOSEN:
    columns.append(classical.TITLES[model.levels.task])
  titles = {'line': 'straight path', 'bent': 'bent path'}
  if len(subjects.paths) == 1:
    titles['line'] = 'the model'
  columns += [titles[name] for name in subjects.paths]
  picture = sheet.contact_sheet(
    rows,
    row_captions=[label(level) for level in chosen],
    column_captions=[*columns, 'original'],
  )
  images.write_png(path, np.asarray(picture))
  return {'file': path.name, 'levels': chosen, 'photos': list(_SHOWN)}


def _sheet_row(
  taken: Studio, subjects: measure.Subjects, photo: str, level: float
) -> list[Cell]:
  case = taken.case(taken.photo(photo), level)
  window = sheet.crop_detail(case.clean, _DETAIL)
  found = measure.methods(subjects, taken.protocol.degradation, level)
  pictures = [images.to_uint8(case.degraded)]
  pictures += [run(case) for _, run in found.values()]
  psnr = functools.partial(
    metrics.psnr,
    border=taken.protocol.border(level),
    channels=taken.protocol.channels,
  )
  cells = [
    Cell(picture[window], f'{psnr(case.clean, picture):.2f} dB')
    for picture in pictures
  ]
  return [*cells, Cell(case.clean[window], photo)]
