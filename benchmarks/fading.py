"""How what is cleaner than a model's start is best faded, on photographs.

  python benchmarks/fading.py denoise BSD431 --last 31
  python benchmarks/fading.py dejpeg BSD431 --last 31 --halve
  python benchmarks/fading.py denoise CBSD68 --figure fading.png
  python benchmarks/fading.py denoise CBSD68 --grey

A crop from the middle of each photograph is degraded, its level estimated, and
restored by the start model; the result is mixed with the input by several
rules. Noise is clipped to 8 bits, and so are results; JPEG is a file, decoded.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from adafm_jax import files, zoo
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.errors import entry_point
from adafm_jax.estimate import level as estimate
from adafm_jax.images import eight_bit as images
from adafm_jax.images import folder as folders
from adafm_jax.images import photo as photos
from adafm_jax.model import Model
from adafm_jax.restore import pipeline, setting

_SIGMAS = (0, 3, 5, 8, 12, 15)
_QUALITIES = (100, 98, 95, 92, 90, 88, 85)
_CROP = 192

# The share of the start model's result, from the level's share of the start's.
RULES: dict[str, Callable[[float], float]] = {
  'start model': lambda x: 1.0,
  'root': lambda x: x**0.5,
  'level': lambda x: x,
  'level from 0.1': lambda x: x * (x >= 0.1),
  'level from 0.2': lambda x: x * (x >= 0.2),
  'level from 0.3': lambda x: x * (x >= 0.3),
  'square': lambda x: x**2,
  'cube': lambda x: x**3,
  'all from 0.5': lambda x: float(x >= 0.5),
  'all from 0.8': lambda x: float(x >= 0.8),
}
RESTORED = 'restored'  # as `adafm restore` does it


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
  """In dB, of 8-bit images; 99 where they are the same."""
  error = np.mean(np.square(image.astype(np.float64) - truth))
  return float(10 * np.log10(255**2 / error)) if error else 99.0


def degrade(image: np.ndarray, task: str, level: float, name: str):
  """A photograph at a level, as it is read from a file."""
  if task == 'denoise':
    noisy = Degradation('denoise').apply(image, level, name=name)
    return photos.Photo(noisy if level else (image / 255).astype(np.float32))
  buffer = io.BytesIO()
  Image.fromarray(image.squeeze()).save(buffer, 'JPEG', quality=int(level))
  with Image.open(buffer) as file:
    tables = tuple(np.reshape(t, (8, 8)) for t in file.quantization.values())
    pixels = np.asarray(file).reshape(image.shape) / np.float32(255)
  return photos.Photo(pixels.astype(np.float32), jpeg_tables=tables)


def measure(
  model: Model, image: np.ndarray, level: float, name: str
) -> dict[str, float]:
  """PSNR of the input, and of the result by each rule."""
  span, channels = model.levels, image.shape[-1]
  photo = degrade(image, span.task, level, name)
  found = estimate.estimate_level(photo, span).level
  strength, _, share, _ = setting.choose(model, found, None, channels=channels)
  fraction = 1.0
  if share < 1:
    fraction = setting.fraction(model, found, channels=channels)
  seen = photo.pixels[None]
  pixels, finish = pipeline.prepare(seen, model.arch.channels)
  network = Network(model.arch, model.params)
  output = network.restore(pixels, strength.astype(np.float32))
  row = {'picture': psnr(np.rint(seen[0] * 255), image), 'estimate': found}
  # What is not faded is restored at its level by all rules alike.
  parts = {x: of(fraction) if share < 1 else 1.0 for x, of in RULES.items()}
  parts[RESTORED] = float(share * (share >= setting.MIN_SHARE[span.task]))
  for rule, part in parts.items():
    mixed = pixels + np.float32(part) * (output - pixels)
    result = finish(mixed)[0] if part else seen[0]
    row[rule] = psnr(images.to_uint8(result), image)
  return row


def table(rows: dict[float, list[dict[str, float]]]) -> str:
  """Mean PSNR by level and rule, and the smallest gain of any photograph."""
  rules = [*RULES, RESTORED]
  lines = ['| level | estimate | picture | ' + ' | '.join(rules) + ' |']
  lines.append('| ---: ' * (3 + len(rules)) + '|')
  for level, found in rows.items():
    mean = {key: np.mean([row[key] for row in found]) for key in found[0]}
    worst = {
      rule: min(row[rule] - row['picture'] for row in found) for rule in rules
    }
    cells = [f'{level:g}', f'{mean["estimate"]:.1f}', f'{mean["picture"]:.2f}']
    cells += [f'{mean[rule]:.2f} ({worst[rule]:+.2f})' for rule in rules]
    lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines)


def draw(
  path: pathlib.Path, rows: dict[float, list[dict[str, float]]], task: str
) -> None:
  """Draws the gain over the picture: mean, and the range of photographs."""
  from matplotlib import figure

  drawing = figure.Figure(figsize=(6.4, 3.8), layout='constrained')
  axes = drawing.add_subplot()
  # At sigma 0 the picture is exact, and every change a loss without bound.
  shown = [level for level in rows if level]
  for rule, colour, label in (
    ('start model', 'tab:red', 'start model'),
    (RESTORED, 'tab:blue', 'faded, as restored'),
  ):
    gains = np.array(
      [[row[rule] - row['picture'] for row in rows[x]] for x in shown]
    )
    low, high = gains.min(axis=1), gains.max(axis=1)
    axes.fill_between(shown, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(shown, gains.mean(axis=1), 'o-', color=colour, label=label)
  axes.axhline(0, color='black', linewidth=0.8)
  unit = 'noise, sigma' if task == 'denoise' else 'JPEG quality'
  axes.set(xlabel=unit, ylabel='gain over the picture, dB')
  axes.legend(frameon=False)
  drawing.savefig(path, dpi=120)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Prints a table, and draws a curve."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('model', help='a released model, or a model file')
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--last', type=int, default=0, help='the last so many')
  parser.add_argument('--halve', action='store_true', help='shrink them first')
  parser.add_argument('--grey', action='store_true', help='without colour')
  parser.add_argument('--figure', type=pathlib.Path)
  parser.add_argument('--json', type=pathlib.Path)
  options = parser.parse_args(argv)
  model = Model.load(zoo.locate(options.model))
  noise = model.levels.task == 'denoise'
  rows: dict[float, list] = {x: [] for x in (_SIGMAS if noise else _QUALITIES)}
  for path in folders.find_images(options.folder)[-options.last :]:
    with Image.open(path) as file:
      whole = file.convert('L' if options.grey else 'RGB')
    if options.halve:
      size = whole.width // 2, whole.height // 2
      whole = whole.resize(size, Image.Resampling.LANCZOS)
    array = np.atleast_3d(np.asarray(whole))
    top, left = (max(0, n - _CROP) // 2 for n in array.shape[:2])
    crop = np.ascontiguousarray(array[top:, left:][:_CROP, :_CROP])
    for level, found in rows.items():
      found.append(measure(model, crop, level, path.name))
    print('.', end='', file=sys.stderr, flush=True)
  print(f'\n{table(rows)}')
  if options.figure:
    draw(options.figure, rows, model.levels.task)
  if options.json:
    files.write_json(options.json, {f'{x:g}': rows[x] for x in rows})


if __name__ == '__main__':
  sys.exit(main())
