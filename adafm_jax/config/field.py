"""A config field: default, unit, meaning, and its legal values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


def field(
  default: Any,
  doc: str,
  legal: Sequence[Any] = (),
  *,
  least: float | None = None,
  below: float | None = None,
) -> Any:
  """A documented field, with its legal values or bounds (`least` included)."""
  meta = {'doc': doc, 'legal': tuple(legal), 'least': least, 'below': below}
  return dataclasses.field(default=default, metadata=meta)
