"""What goes into the API and comes out of it, as JSON."""

from __future__ import annotations

from typing import Annotated

import fastapi
import pydantic

MAX_STRENGTHS = 16

Strength = Annotated[float, pydantic.Field(ge=0, le=1, allow_inf_nan=False)]
Scale = Annotated[float, pydantic.Field(ge=1, le=16, allow_inf_nan=False)]
Pixels = Annotated[int, pydantic.Field(ge=0, le=2**20)]
Size = Annotated[int, pydantic.Field(ge=1, le=2**20)]
ImageId = Annotated[str, fastapi.Path(max_length=64)]


class Problem(pydantic.BaseModel):
  """What was wrong, in a sentence."""

  error: str


class Image(pydantic.BaseModel):
  """An image that was sent; whoever knows its id may use it."""

  id: str
  width: int
  height: int
  expires_in: float = pydantic.Field(
    description='it goes so many seconds after its last use'
  )


class Level(pydantic.BaseModel):
  """The level of an image, read off it."""

  level: float = pydantic.Field(description="in the model's unit")
  strength: float | None = pydantic.Field(
    description='that serves it; null where the image is cleaner than that'
  )
  sentence: str


class Region(pydantic.BaseModel):
  """A part of the picture, as it is enlarged."""

  x: Pixels
  y: Pixels
  width: Size
  height: Size


class Sweep(pydantic.BaseModel):
  """A part of an image at several strengths."""

  model: str
  strengths: list[Strength] = pydantic.Field(
    min_length=1, max_length=MAX_STRENGTHS
  )
  region: Region
  scale: Scale = 1


class BrushRequest(pydantic.BaseModel):
  """Another strength where a mask is white or opaque."""

  strength: Strength
  mask: str = pydantic.Field(description="PNG of the result's size, base64")


class Restore(pydantic.BaseModel):
  """A whole result: at a level of the model, or at a strength."""

  model: str
  level: float | None = pydantic.Field(None, allow_inf_nan=False)
  strength: Strength | None = None
  scale: Scale = 1
  brush: BrushRequest | None = None
