"""Images that are learnt from and measured on: found, and refused.

Two images are the same when their decoded pixels are. That leaves out copies
that were stored with a loss, and crops, so that images of the Berkeley
data set, which several test sets were made from, are told by name too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from adafm_jax.data import known
from adafm_jax.data.image import Seen
from adafm_jax.errors import UserError

if TYPE_CHECKING:
  pass


def common(
  train: Iterable[Seen], others: Iterable[Seen], *, by_name: bool = False
) -> list[str]:
  """Names of the images of `others` that are in `train`.

  Args:
    train: images learnt from.
    others: images measured on.
    by_name: whether equal names are enough, as in BSD, where a name is that of
      one photograph in every copy.
  """
  train = list(train)
  hashes = {seen.pixels for seen in train}
  names = {seen.name for seen in train} if by_name else set()
  return [o.name for o in others if o.pixels in hashes or o.name in names]


def refuse(
  train: Sequence[Seen], sets: Mapping[str, Sequence[Seen]], *, field: str
) -> None:
  """Raises UserError where an evaluation set shares images with training.

  Args:
    train: images learnt from.
    sets: images measured on, by the name of the set; where that speaks of BSD,
      equal names are taken for equal images.
    field: where the training images come from, for messages.
  """
  problems = []
  names = {seen.name for seen in train}
  for name, seen in sets.items():
    found = common(train, seen, by_name='bsd' in name.lower())
    found += sorted(known.BSD_CROPS.get(name, frozenset()) & names)
    if found:
      shown = ', '.join(found[:5]) + (', ...' if len(found) > 5 else '')
      problems.append(
        f'{len(found)} image(s) of the evaluation set {name} are among the'
        f' training images of {field} ({shown}), whole or in part; leave them'
        ' out of one of the two.'
      )
  if problems:
    raise UserError(problems)
