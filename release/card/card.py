"""Makes the cards of released models, and their index.

  python -m release.card.card            # all
  python -m release.card.card denoise --pictures

A card is NAME.md. It is made from the registry, the model file's header and the
NAME.json of `release.evaluate` alone, so that a test can find a stale card.
With it come NAME_levels.png and NAME_gains.png, and the registry gets its main
results. --pictures also makes the contact sheets again, which runs the network.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

from adafm_jax import files, zoo
from adafm_jax.errors import UserError, entry_point
from adafm_jax.model_file import file as model_file
from release import register
from release.card import facts as card_facts
from release.card import figures as card_figures
from release.card import index as card_index
from release.card import sections
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
    sections.purpose(results),
    '## Use\n',
    card_words.USAGE[results.task].format(
      name=name, middle=results.header.levels.level(0.5)
    ),
    '## Facts\n',
    card_facts.table(facts),
    *sections.results(results),
    *sections.figures(name, results),
    *sections.paths(results),
    *sections.dedicated(results),
    *sections.published(results, facts),
    *sections.pictures(results),
    *sections.made(name, results),
  ]
  return '\n'.join(parts)


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
    register.state(name, read(name, folder).quality())
    write(name, folder)
    print(f'written: {folder / name}.md')
  files.write_text(folder / 'README.md', card_index.render(folder))


if __name__ == '__main__':
  sys.exit(main())
