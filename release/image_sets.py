"""The images that a released model is measured on."""

from __future__ import annotations

from adafm_jax.data import overlap, sources
from adafm_jax.data.image import NamedImage, identify
from adafm_jax.errors import UserError
from adafm_jax.model_file import header as headers

HELD_OUT = 'heldout'
USUAL_HOLDOUT = 31  # images, the last by name


def load(
  model: headers.Header, text: str, train: str = '', most: int = 0
) -> dict[str, list[NamedImage]]:
  """Loads the images to measure on.

  Args:
    model: images are converted to its channels.
    text: 'cbsd68=/path,live1=/path'; the name alone of a known set is the
      prepared set, see `data.prepare`.
    train: the model's training images. Those that it held out become the set
      'heldout'; sets that share images with the rest are refused.
    most: take at most this many images of each set; 0 is all.

  Raises:
    UserError: images are missing, or the model was trained on them.
  """

  def named(source: str, option: str, count: int = 0) -> list[NamedImage]:
    return sources.load(
      source,
      field=option.rstrip('= '),
      option=option,
      channels=model.arch.channels,
      most=count,
    )

  sets = {}
  for entry in filter(None, text.split(',')):
    name, _, source = entry.partition('=')
    source = source or sources.named(name, '')
    sets[name] = named(source, f'--sets {name}=', most)
  if train:
    learnt = named(train, '--data-train ')
    held = (model.provenance.get('config') or {}).get('data') or {}
    count = held.get('holdout') or USUAL_HOLDOUT
    if len(learnt) <= count:
      raise UserError(
        f'--data-train {train} holds {len(learnt)} images, but the model held'
        f' out {count} of its images; give the whole training set.'
      )
    sets[HELD_OUT] = learnt[-count:][: most or None]
    overlap.refuse(
      identify(learnt[:-count]),
      {name: identify(images) for name, images in sets.items()},
      field=train,
    )
  if not sets:
    raise UserError('Give images to measure on: --sets NAME=FOLDER,...')
  return sets
