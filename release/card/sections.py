"""The sections of a card, each as lines of Markdown.

A section is empty where a model has nothing to say in it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from release import peers
from release.card import facts as card_facts
from release.card import figures as card_figures
from release.card import results as card_results
from release.card import words as card_words
from release.card.results import Results

_WEAK = 5.0  # sigma; photographs have more grain of their own


def purpose(results: Results) -> str:
  """What the model is for, in a paragraph."""
  span, arch = results.header.levels, results.header.arch
  text = card_words.PURPOSE[results.task].format(
    start=results.label(span.start),
    end=results.label(span.end),
    start_level=f'{span.start:g}',
    end_level=f'{span.end:g}',
    size=card_words.SMALL if arch.features < 64 else card_words.LARGE,
  )
  return textwrap.fill(text, 80) + '\n'


def results(results: Results) -> list[str]:
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
  if results.faded():
    start = results.label(results.header.levels.start)
    parts.append(card_words.FADED.format(start=start))
  for name, _, by_level in results.parts():
    parts += [
      f'**{card_results.part_title(results, name, by_level)}**\n',
      card_results.result_table(results, by_level),
      card_results.remarks(results, name, by_level) + '\n',
    ]
  if results.task == 'denoise' and results.header.levels.start < _WEAK:
    parts.append(card_words.OWN_GRAIN)
  if table := card_results.float16_table(results):
    parts += [
      'What storing the weights as float16 costs, against the float32 weights'
      ' of the training run (dB, negative is a loss):\n',
      table,
    ]
  return parts


def figures(name: str, results: Results) -> list[str]:
  """The figures over the levels."""
  named = card_figures.names(name, results)
  return [
    '## Over the levels\n',
    *(f'![{words}]({file})\n' for file, words in named.items()),
  ]


def paths(results: Results) -> list[str]:
  """The straight path against the bent one, on held-out images."""
  parts = ['## Between the levels\n', card_facts.path_lines(results)]
  if table := card_results.paths_table(results):
    parts += [
      'Mean PSNR (dB) on held-out training images to which no curve was'
      ' fitted:\n',
      table,
    ]
  return parts


def dedicated(results: Results) -> list[str]:
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


def published(results: Results, facts: card_facts.Facts) -> list[str]:
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


def pictures(results: Results) -> list[str]:
  """Photographs, failures and camera noise, as far as there are pictures."""
  shots: Mapping[str, Any] = results.found.get('pictures') or {}
  parts = []
  if shown := shots.get('sheet'):
    parts += [
      '## What it looks like\n',
      'The most textured detail of each photograph, not scaled. PSNR is that of'
      ' the whole photograph.\n',
      f'![Details of photographs at three levels]({shown["file"]})\n',
    ]
  if shown := shots.get('failures'):
    parts += [
      '## Where it fails\n',
      'Every pixel is shown as 2 x 2. PSNR is that of the detail.\n',
      *_rows(shown),
    ]
  if shown := shots.get('camera'):
    parts += [
      '## Gaussian noise is not camera noise\n',
      card_words.CAMERA,
      *_rows(shown),
    ]
  if parts:
    parts.append(
      "The photographs come with scikit-image, and matplotlib's sample"
      ' grace_hopper.jpg (US Navy, public domain).\n'
      if 'camera' in shots
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


def made(name: str, results: Results) -> list[str]:
  """The commands that the card was made with, and where it was measured."""
  found = results.found
  sets = ','.join(
    f'{key}=/path/to/{card_words.set_title(key)}'
    for key in found['sets']
    if key != 'heldout'
  )
  dedicated = ','.join(f'{x["level"]:g}=FILE' for x in found['dedicated'])
  options = [
    f'--sets {sets}',
    '--data-train /path/to/BSD431' * ('heldout' in found['sets']),
    f'--levels {",".join(f"{x:g}" for x in found["levels"])}',
    '--float32 run/model.safetensors' * bool(found['float32']),
    f'--dedicated {dedicated}' * bool(dedicated),
    '--peers PEERS' * any(x['method'] == 'peer' for x in found['scores']),
  ]
  more = ' \\\n  '.join(filter(None, options))
  return [
    '## How this card was made\n',
    '```bash\n'
    f'python -m release.evaluate {name} {more}\n'
    f'python -m release.card.card {name}\n'
    '```\n',
    f'Measured on {found["date"]}, {card_facts.measured_with(found)}.'
    f' All numbers are in [{name}.json]({name}.json).\n',
  ]
