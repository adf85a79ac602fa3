"""A job's pictures, shared out by the names of their results."""

from __future__ import annotations

import dataclasses
import hashlib
import re

from adafm_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Shard:
  """Process `index` of `count` that share a job, counted from 0."""

  index: int
  count: int

  def has(self, result: str) -> bool:
    """Whether a result falls to this process, by its name alone."""
    digest = hashlib.sha256(result.encode('utf-8', 'surrogateescape')).digest()
    return int.from_bytes(digest[:8]) % self.count == self.index

  @property
  def part(self) -> str:
    """The name of its journal, without suffix."""
    return f'part-{self.index}-of-{self.count}'


def parse(text: str) -> Shard:
  """Reads 'I/N', I from 0 to N - 1.

  Raises:
    UserError: it is not of that form.
  """
  found = re.fullmatch(r'(\d{1,9})/(\d{1,9})', text)
  shard = Shard(*map(int, found.groups())) if found else Shard(0, 0)
  if not shard.index < shard.count:
    raise UserError(
      f'--shard is {text!r}; it must be I/N with I from 0 to N - 1, as in 0/8.'
    )
  return shard
