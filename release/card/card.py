"""Makes the cards of released models, and their index.

  python -m release.card.card            # all
  python -m release.card.card denoise --pictures

A card is NAME.md. It is made from the registry, the model file's header and the
NAME.json of `release.evaluate` alone, so that a test can find a stale card.
With it come NAME_levels.png and NAME_gains.png. --pictures also makes the
contact sheets again, which runs the network.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from adafm_jax import files, zoo
from adafm_jax.errors import UserError, entry_point
from adafm_jax.model_file import file as model_file
from release import peers
from release.card import facts as card_facts
from release.card import figures as card_figures
from release.card import index as card_index
from release.card import results as card_results
from release.card import words as card_words
from release.card.results import Results


def read(name: str, folder: pathlib.Path) -> Results:
  """Reads what is known about a released model.

  Args:
    name: of the model.
    folder: of NAME.json.

  Raises:
    UserError: the model is unknown or not measured, or the results are of
      another model file.
  """
  path = folder / f'{name}.json'
  header = model_file.read_header(zoo.locate(name))
  try:
    found = json.loads(path.read_text('utf-8'))
  except (OSError, ValueError) as error:
    raise UserError(
      f'There are no results of {name} in {folder} ({error}); run python -m'
      f' release.evaluate {name}.'
    ) from error
  if found['sha256'] != zoo.entries()[name].sha256:
    raise UserError(
      f'{path} is about another model file than the released {name}; run python'
      f' -m release.evaluate {name}.'
    )
  return Results(header, found)


def render(name: str, folder: pathlib.Path) -> str:
  """The card of a released model as Markdown.

  Raises:
    UserError: see `read`.
  """
  results = read(name, folder)
  entry = zoo.entries()[name]
  facts = card_facts.collect(entry, results)
  parts = [
    f'# {name}\n',
    _purpose(results),
    '## Use\n',
    card_words.USAGE[results.task].format(name=name),
    '## Facts\n',
    card_facts.table(facts),
    *_results(results),
    *_figures(name, results),
    *_paths(results),
    *_dedicated(results),
    *_published(results, facts),
    *_pictures(results),
    *_made(name, results),
  ]
  return '\n'.join(parts)


def _purpose(results: Results) -> str:
  span, arch = results.header.levels, results.header.arch
  text = card_words.PURPOSE[results.task].format(
    start=results.label(span.start),
    end=results.label(span.end),
    start_level=f'{span.start:g}',
    end_level=f'{span.end:g}',
    size=card_words.SMALL if arch.features < 64 else card_words.LARGE,
  )
  return textwrap.fill(text, 80) + '\n'


def _results(results: Results) -> list[str]:
  """Every set and protocol, and the cost of rounding the weights."""
  parts = [
    '## Results\n',
    'PSNR in dB and SSIM, each the mean over the images.'
    + (
      ' Grey images of a set count as RGB.\n'
      if results.header.arch.channels == 3
      else '\n'
    ),
  ]
  if any(row['method'] == 'peer' for row in results.found['scores']):
    parts.append(peers.WORDS[results.task] + '\n')
  for name, _, by_level in results.parts():
    parts += [
      f'**{card_results.part_title(results, name, by_level)}**\n',
      card_results.result_table(results, by_level),
      card_results.remarks(results, name, by_level) + '\n',
    ]
  if table := card_results.float16_table(results):
    parts += [
      'What storing the weights as float16 costs, against the float32 weights'
      ' of the training run (dB, negative is a loss):\n',
      table,
    ]
  return parts


def _figures(name: str, results: Results) -> list[str]:
  made = card_figures.names(name, results)
  return [
    '## Over the levels\n',
    *(f'![{words}]({file})\n' for file, words in made.items()),
  ]


def _paths(results: Results) -> list[str]:
  """The straight path against the bent one, on held-out images."""
  parts = ['## Between the levels\n', card_facts.path_lines(results)]
  if table := card_results.paths_table(results):
    parts += [
      'Mean PSNR (dB) on held-out training images to which no curve was'
      ' fitted:\n',
      table,
    ]
  return parts


def _dedicated(results: Results) -> list[str]:
  """Networks trained for one level alone: the price of modulation."""
  table = card_results.dedicated_table(results)
  if not table:
    return []
  about = ', '.join(
    f'{results.label(one["level"])}: {one["features"]} features x'
    f' {one["blocks"]} blocks'
    + (
      f', {one["further_steps"]:,} further steps'
      if one['further_steps']
      else ''
    )
    for one in results.found['dedicated']
  )
  return [
    '## Networks for one level\n',
    'What it costs to serve a range. The dedicated networks are the start'
    ' network with all of its weights trained further at one level alone'
    f' ({about}) by `release/dedicated.py`. PSNR in dB; the difference is the'
    ' default path minus the dedicated network.\n',
    table,
  ]


def _published(results: Results, facts: card_facts.Facts) -> list[str]:
  """The model beside published results, with the reasons for the gap."""
  parts = []
  for name, noise, by_level in results.parts():
    table = card_results.published_table(
      results, name, noise, by_level, facts.millions
    )
    if table:
      title = card_results.part_title(results, name, by_level)
      parts += [f'**{title}**\n', table]
  if not parts:
    return []
  note = card_words.PROTOCOL_NOTES[results.task]
  why = card_words.WHY.format(millions=facts.millions, steps=facts.steps)
  return [
    '## Beside published results\n',
    f'PSNR in dB. {note}\n',
    *parts,
    f'{why}\n',
  ]


def _pictures(results: Results) -> list[str]:
  made: Mapping[str, Any] = results.found.get('pictures') or {}
  parts = []
  if shown := made.get('sheet'):
    parts += [
      '## What it looks like\n',
      'The most textured detail of each photograph, not scaled. PSNR is that of'
      ' the whole photograph.\n',
      f'![Details of photographs at three levels]({shown["file"]})\n',
    ]
  if shown := made.get('failures'):
    parts += [
      '## Where it fails\n',
      'Every pixel is shown as 2 x 2. PSNR is that of the detail.\n',
      *_rows(shown),
    ]
  if shown := made.get('camera'):
    parts += [
      '## Gaussian noise is not camera noise\n',
      card_words.CAMERA,
      *_rows(shown),
    ]
  if parts:
    parts.append(
      "The photographs come with scikit-image, and matplotlib's sample"
      ' grace_hopper.jpg (US Navy, public domain).\n'
      if 'camera' in made
      else 'The photographs come with scikit-image.\n'
    )
  return parts


def _rows(shown: Mapping[str, Any]) -> list[str]:
  """A picture and a numbered list that explains its rows."""
  lines = [
    f'{i + 1}. **{row["title"]}.** {row["text"]}\n'
    for i, row in enumerate(shown['rows'])
  ]
  titles = ', '.join(row['title'].lower() for row in shown['rows'])
  return [f'![{titles}]({shown["file"]})\n', ''.join(lines)]


def _made(name: str, results: Results) -> list[str]:
  found = results.found
  sets = ','.join(
    f'{key}=/path/to/{card_words.set_title(key)}'
    for key in found['sets']
    if key != 'heldout'
  )
  levels = ','.join(f'{x["level"]:g}=FILE' for x in found['dedicated'])
  more = ' \\\n  --float32 run/model.safetensors' if found['float32'] else ''
  more += f' --dedicated {levels}' if levels else ''
  return [
    '## How this card was made\n',
    '```bash\n'
    f'python -m release.evaluate {name} --sets {sets}{more}\n'
    f'python -m release.card.card {name}\n'
    '```\n',
    f'Measured on {found["date"]}, {card_facts.measured_with(found)}.'
    f' All numbers are in [{name}.json]({name}.json).\n',
  ]


def write(name: str, folder: pathlib.Path) -> None:
  """Writes the card of a released model and its figures.

  Raises:
    UserError: see `read`.
  """
  text = render(name, folder)
  card_figures.write(name, read(name, folder), folder)
  files.write_text(folder / f'{name}.md', text)


def add_pictures(name: str, folder: pathlib.Path) -> None:
  """Makes the pictures of a model again, and enters them in its JSON.

  Raises:
    UserError: see `read`.
  """
  from release.pictures import pictures

  found = dict(read(name, folder).found)
  found['pictures'] = pictures.make(name, folder)
  files.write_json(folder / f'{name}.json', found)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m release.card.card`."""
  parser = argparse.ArgumentParser(
    prog='python -m release.card.card',
    description='Makes the cards of released models, and their index.',
  )
  add = parser.add_argument
  add('names', nargs='*', help='models (default: all that are measured)')
  add('-o', '--output', type=pathlib.Path, default=pathlib.Path('docs/models'))
  add('--pictures', action='store_true', help='make the contact sheets again')
  options = parser.parse_args(argv)
  folder = options.output
  names = options.names or card_index.measured(folder)
  if not names:
    raise UserError(
      f'{folder} holds no results; run python -m release.evaluate NAME.'
    )
  for name in names:
    if options.pictures:
      add_pictures(name, folder)
    write(name, folder)
    print(f'written: {folder / name}.md')
  files.write_text(folder / 'README.md', card_index.render(folder))


if __name__ == '__main__':
  sys.exit(main())
