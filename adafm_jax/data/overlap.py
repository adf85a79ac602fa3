"""Finds and refuses evaluation images that are also trained on.

Two images are the same if their decoded pixels are. This misses lossy copies
and crops, so images of the Berkeley data set, from which several test sets were
made, are also compared by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adafm_jax import errors
from adafm_jax.data import known
from adafm_jax.data.image import Seen


def common(
  train: Iterable[Seen], others: Iterable[Seen], *, by_name: bool = False
) -> list[str]:
  """Names of the images of `others` that are in `train`.

  Args:
    train: images trained on.
    others: images measured on.
    by_name: whether equal names are enough, as in BSD, where all copies of a
      photograph have the same name.
  """
  train = list(train)
  hashes = {seen.pixels for seen in train}
  names = {seen.name for seen in train} if by_name else set()
  return [o.name for o in others if o.pixels in hashes or o.name in names]


def refuse(
  train: Sequence[Seen], sets: Mapping[str, Sequence[Seen]], *, field: str
) -> None:
  """Raises UserError if an evaluation set shares images with training.

  Args:
    train: images trained on.
    sets: images measured on, by the name of the set; if the name has 'bsd' in
      it, images with equal names count as equal.
    field: source of the training images, for messages.
  """
  problems = []
  names = {seen.name for seen in train}
  for name, seen in sets.items():
    found = common(train, seen, by_name='bsd' in name.lower())
    found += sorted(known.BSD_CROPS.get(name.lower(), frozenset()) & names)
    if found:
      problems.append(
        f'{len(found)} image(s) of the evaluation set {name} are among the'
        f' training images of {field} ({errors.listed(found)}), whole or in'
        ' part; leave them out of one of the two.'
      )
  errors.raise_all(problems)
