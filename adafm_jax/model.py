"""A model: weights, what they are for, and how to use them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from adafm_jax.errors import UserError
from adafm_jax.model_file import file
from adafm_jax.model_file.header import Header


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model(Header):
  """A header and the weights.

  Attributes:
    params: nested dict of float32 arrays, as `restorer.make_apply` takes them.
  """

  params: dict[str, Any]

  def with_path(self, kind: str) -> Model:
    """The same model on another path between its two trained ends.

    Args:
      kind: 'line', the paper's straight path, or the model's own.

    Returns:
      A model, whose strengths 0 and 1 give what this one's give.

    Raises:
      UserError: the model has no such path.
    """
    if kind == self.arch.path:
      return self
    if kind != 'line':
      raise UserError(
        f'This model has the paths {self.arch.path} and line, not {kind!r}.'
        if self.arch.bends
        else f'This model has the path line only, not {kind!r}.'
      )
    arch = dataclasses.replace(self.arch, path='line', bends=0)
    return dataclasses.replace(self, arch=arch, params=_unbent(self.params))

  # By identity, not as headers: weights differ, and jit(model.apply) hashes.
  __eq__ = object.__eq__
  __hash__ = object.__hash__

  def apply(self, params: Any, image: Any, strength: Any) -> Any:
    """The network as a pure function, for the caller's own jit, vmap and grad.

    Args:
      params: weights, `self.params` or others of the same shapes.
      image: [B, H, W, C] float32 in [0, 1], C as the network's.
      strength: in [0, 1], in one of the forms of `models.strength.FORMS`.

    Returns:
      [B, H, W, C] float32, not clipped, see `restorer.make_apply`.

    Raises:
      UserError: the shapes don't fit.
    """
    from adafm_jax.models import restorer

    return restorer.make_apply(self.arch)(params, image, strength)

  def restore(
    self,
    image: Any,
    *,
    level: float | Sequence[float] | None = None,
    strength: float | Sequence[float] | None = None,
    mask: Any = None,
    self_ensemble: bool = False,
    tile: int | str = 'auto',
    memory: int | None = None,
  ) -> Any:
    """Restores an image, or several of one size in one call.

    Args:
      image: [H, W], [H, W, C] or [B, H, W, C], C = 1 (grey) or 3 (RGB); uint8
        (0 to 255), uint16 (0 to 65535) or float (0 to 1); NumPy or JAX.
      level: how degraded it is, in the model's unit (sigma of 255, JPEG
        quality, scale factor); one value, or one an image.
      strength: in [0, 1] instead: 0 is the start level, 1 the end level. In
        super-resolution beside `level`, which then only gives the scale.
      mask: [H, W] or [B, H, W], factor on the strength of each pixel; bool,
        uint8, uint16 or float as an image; 1 or white is full strength, 0 the
        strength 0 (which is the start level, not the image as it was). A black
        and white mask takes twice the time, one of many greys up to 9 times.
      self_ensemble: average over the eight flips and turns, 8 times slower.
      tile: side in pixels of the tiles that large images are cut into.
      memory: bytes that the work may take; None: half of what is free.

    Returns:
      The restored image, of the same kind, clipped to its range. In
      super-resolution it has ceil(H level) x ceil(W level) pixels.

    Raises:
      UserError: the image, level, strength or mask is none of these, or lies
        outside the model's range.
    """
    from adafm_jax.restore import arrays

    return arrays.restore(
      self,
      self.params,
      image,
      level=level,
      strength=strength,
      mask=mask,
      self_ensemble=self_ensemble,
      tile=tile,
      memory=memory,
    )

  def sweep(
    self,
    image: Any,
    *,
    levels: Sequence[float] | None = None,
    strengths: Sequence[float] | None = None,
    level: float | None = None,
    memory: int | None = None,
  ) -> Any:
    """Restores an image at several strengths, in one batched pass.

    Args:
      image: as for `restore`.
      levels: to restore it for, in the model's unit; or
      strengths: in [0, 1].
      level: in super-resolution the scale, beside `strengths`.
      memory: as for `restore`; strengths go through in chunks that fit.

    Returns:
      An array of the same kind with a leading axis of strengths.

    Raises:
      UserError: as for `restore`.
    """
    from adafm_jax.restore import arrays

    return arrays.sweep(
      self,
      self.params,
      image,
      levels=levels,
      strengths=strengths,
      level=level,
      memory=memory,
    )

  def save(
    self, path: str | os.PathLike[str], *, dtype: str = 'float32'
  ) -> None:
    """Writes a model file, whole or not at all.

    Args:
      path: of the file, ending in .safetensors.
      dtype: of the weights in the file, 'float32' or 'float16' (half the size;
        each is rounded by up to one part in 2048).

    Raises:
      UserError: the parameters are not those of the architecture, not finite,
        or too large for float16; the provenance isn't JSON; or the file can't
        be written.
    """
    from adafm_jax.models import parameters  # JAX, which `adafm info` spares

    tensors = parameters.flatten(self.params)
    shapes = {name: x.shape for name, x in tensors.items()}
    parameters.check(shapes, self.arch)
    file.write(path, self, tensors, dtype=dtype)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Model:
    """Reads a model file and checks every weight in it.

    Raises:
      UserError: there is no such file; it isn't a whole model file of a version
        known here; or its weights are missing, unexpected, of another shape or
        not finite.
    """
    from adafm_jax.models import parameters  # JAX, which `adafm info` spares

    found, tensors = file.read(
      path,
      lambda found, shapes: parameters.check(shapes, found.arch, f'{path}: '),
    )
    fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    return cls(params=parameters.unflatten(tensors), **fields)


def _unbent(params: dict[str, Any]) -> dict[str, Any]:
  """The parameters without the bends of AdaFM layers."""
  return {
    name: _unbent(value) if isinstance(value, dict) else value
    for name, value in params.items()
    if not name.startswith('bend_')
  }
