"""A model: a header, weights, and methods to use them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from adafm_jax import files
from adafm_jax.errors import UserError, raise_all
from adafm_jax.model_file import file as model_file
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
      A model with the same results at strengths 0 and 1.

    Raises:
      UserError: the model does not have this path.
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

  # By identity: models of one header may have other weights.
  __eq__ = object.__eq__
  __hash__ = object.__hash__

  def apply(self, params: Any, image: Any, strength: Any) -> Any:
    """The network as a pure function, for the caller's own jit, vmap and grad.

    Args:
      params: weights, `self.params` or others of the same shapes.
      image: [B, H, W, C] float in [0, 1], C being `arch.channels`.
      strength: in [0, 1], in one of the forms of `models.strength.FORMS`.

    Returns:
      [B, H, W, C] of image's dtype, not clipped, see `restorer.make_apply`.

    Raises:
      UserError: the image or the strength has another shape, or the image is
        not float.
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
    memory: int | str | None = None,
  ) -> Any:
    """Restores an image, or several of one size in one call.

    An image that uses a quarter of its range or less is stretched for the
    network, and its noise with it (but not in DeJPEG, which leaves images alone
    that use less than a twentieth).

    Args:
      image: [H, W], [H, W, C] or [B, H, W, C], C = 1 (grey) or 3 (RGB); uint8
        (0 to 255), uint16 (0 to 65535) or float (0 to 1); NumPy or JAX.
      level: how degraded it is, in the model's unit (sigma of 255, JPEG
        quality, scale factor); one value, or one an image. Noise and JPEG
        artefacts may be weaker than the model's levels: the result is then
        mixed with the image.
      strength: in [0, 1], instead of `level`: 0 is the start level, 1 the end
        level. In super-resolution give both; `level` is then only the scale.
      mask: [H, W] or [B, H, W], factor on the strength of each pixel; bool, or
        uint8, uint16 or float with the range of an image. White is full
        strength, black is strength 0: the start level, not the image as it
        was. A black and white mask takes twice the time, one of many greys up
        to 9 times.
      self_ensemble: average over the eight flips and rotations; 8 times slower.
      tile: side of the tiles of large images, pixels; 'auto' chooses it.
      memory: limit in bytes, or a text such as '2GiB'; None: half of the free
        memory.

    Returns:
      The restored image, with the array type and dtype of `image`, clipped to
      its range. In super-resolution it has ceil(H level) x ceil(W level)
      pixels.

    Raises:
      UserError: an argument has another form, or lies outside the model's
        range.
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
    memory: int | str | None = None,
  ) -> Any:
    """Restores an image at several strengths, in one batched pass.

    Args:
      image: as for `restore`.
      levels: in the model's unit. Give these, or `strengths`.
      strengths: in [0, 1].
      level: the scale, for `strengths` in super-resolution.
      memory: as for `restore`; strengths are computed in chunks that fit.

    Returns:
      As `restore`, with a leading axis of levels or strengths.

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
    self,
    path: str | os.PathLike[str],
    *,
    dtype: str = 'float32',
    written: files.Written | None = None,
  ) -> None:
    """Writes a model file, whole or not at all.

    Args:
      path: ends in .safetensors.
      dtype: of the weights in the file, 'float32' or 'float16' (half the size;
        each weight is rounded by up to one part in 2048).
      written: is given the file while it still has its temporary name.

    Raises:
      UserError: the path ends otherwise, the architecture is impossible, the
        parameters are not its own, not finite, or too large for float16; the
        provenance isn't JSON; or the file can't be written.
    """
    from adafm_jax.models import parameters  # imports JAX; `adafm info` doesn't

    if not os.fspath(path).lower().endswith(model_file.SUFFIX):
      raise UserError(
        f'The name of a model file ends in {model_file.SUFFIX}: call it'
        f' {path}{model_file.SUFFIX}.'
      )
    raise_all(self.arch.problems())
    tensors = parameters.flatten(self.params)
    shapes = {name: x.shape for name, x in tensors.items()}
    parameters.check(shapes, self.arch)
    model_file.write(path, self, tensors, dtype=dtype, written=written)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Model:
    """Reads a model file and checks every weight in it.

    Raises:
      UserError: the file is missing, damaged or of an unknown version; or its
        weights are missing, unexpected, of another shape or not finite.
    """
    from adafm_jax.models import parameters  # imports JAX; `adafm info` doesn't

    found, tensors = model_file.read(
      path,
      lambda found, shapes: parameters.check(shapes, found.arch, f'{path}: '),
    )
    fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    return cls(params=parameters.unflatten(tensors), **fields)


def _unbent(params: Mapping[str, Any]) -> dict[str, Any]:
  """The parameters without the bends of AdaFM layers."""
  return {
    name: _unbent(value) if isinstance(value, Mapping) else value
    for name, value in params.items()
    if not name.startswith('bend_')
  }
