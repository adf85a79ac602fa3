"""Restoring images that are arrays: what `Model.restore` and `sweep` do.

An image may be uint8 (0 to 255), uint16 (0 to 65535) or of a float type
(0 to 1); [H, W], [H, W, C] or, several of one size, [B, H, W, C], with C = 1
(grey) or 3 (RGB); in NumPy or JAX. The result is of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.engine import blend
from adafm_jax.engine import memory as memories
from adafm_jax.engine import run as engine
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.model_file.header import Header
from adafm_jax.restore import contrast, setting

# Noise of sigma 255 on white stays below it; images in 0..255 do not.
_MAX_FLOAT = 8.0

Give = Callable[[np.ndarray], Any]


def restore(
  header: Header,
  params: Any,
  image: Any,
  *,
  level: setting.Values | None,
  strength: setting.Values | None,
  mask: Any,
  self_ensemble: bool,
  tile: int | str,
  memory: int | str | None,
) -> Any:
  """See `Model.restore`."""
  stack, give = take(image)
  found = contrast.find(stack, header.levels.task)
  for given in (level, strength):
    _check_count(given, len(stack))
  chosen = setting.choose(
    header, level, strength, channels=stack.shape[-1], gain=found.gain
  )
  values = np.broadcast_to(chosen.strength, len(stack))
  found = contrast.limit(found, chosen.gain)
  shares = np.where(found.faint, 0, chosen.share)
  pixels, finish = contrast.prepare(
    stack, header.arch.channels, found, scale=chosen.scale
  )
  network = Network(
    header.arch,
    jax.device_put(params),
    side=engine.parse_tile(tile),
    memory=_bytes(memory),
    self_ensemble=self_ensemble,
  )
  if mask is not None:
    maps = _maps(mask, len(stack), stack.shape[1:3], pixels.shape[1:3])
    values = values[:, None, None] * maps
  output = network.restore(pixels, values)
  return give(finish(setting.fade(pixels, output, shares)))


def sweep(
  header: Header,
  params: Any,
  image: Any,
  *,
  levels: Sequence[float] | None,
  strengths: Sequence[float] | None,
  level: float | None,
  memory: int | str | None,
) -> Any:
  """See `Model.sweep`."""
  stack, give = take(image)
  chosen = _sweep_values(
    header, levels, strengths, level, channels=stack.shape[-1]
  )
  found = contrast.find(stack, header.levels.task)
  if levels is not None and (found.gain != 1).any():
    # Each level stretches as far as it allows, so they share no pass.
    outputs = [
      restore(
        header,
        params,
        image,
        level=x,
        strength=None,
        mask=None,
        self_ensemble=False,
        tile=engine.AUTO,
        memory=memory,
      )
      for x in levels
    ]
    return (jnp if isinstance(image, jax.Array) else np).stack(outputs)
  shares = np.where(found.faint, 0, chosen.share[:, None])
  pixels, finish = contrast.prepare(
    stack, header.arch.channels, found, scale=chosen.scale
  )
  network = Network(header.arch, jax.device_put(params), memory=_bytes(memory))
  output = np.concatenate(list(network.sweep(pixels, chosen.strength)))
  return give(finish(setting.fade(pixels, output, shares)))


def take(image: Any) -> tuple[np.ndarray, Give]:
  """Brings an image to [B, H, W, C] float, and remembers its kind.

  Args:
    image: see the module.

  Returns:
    float32 [B, H, W, C] in [0, 1] (noise may exceed it); and the function that
    turns float [..., B, H, W, C] into the image's kind, clipped to [0, 1].

  Raises:
    UserError: the image has another shape or type, holds NaN or Inf, or is a
      float image that isn't in [0, 1].
  """
  array = _array(image, 'image')
  shape, dtype = array.shape, array.dtype
  if array.ndim == 2:
    array = array[..., None]
  if array.ndim not in (3, 4) or array.shape[-1] not in (1, 3) or 0 in shape:
    raise UserError(
      'An image must be [H, W], [H, W, C] or [B, H, W, C] with C = 1 (grey) or'
      f' 3 (RGB); this one has shape {list(shape)}.'
    )
  stack = _to_float(array)
  stack = stack[None] if stack.ndim == 3 else stack
  is_jax = isinstance(image, jax.Array)

  def give(output: np.ndarray) -> Any:
    output = _from_float(np.clip(output, 0, 1), dtype)
    if len(shape) < 4:
      output = output[..., 0, :, :, :]
    if len(shape) == 2:
      output = output[..., 0]
    return jnp.asarray(output) if is_jax else output

  return stack, give


def _refuse_traced(values: Any) -> None:
  if isinstance(values, jax.core.Tracer):
    raise UserError(
      'restore and sweep work on whole images, outside of jit and grad; inside,'
      ' use model.apply(params, image, strength).'
    )


def _array(values: Any, what: str) -> np.ndarray:
  """What was given, as an array."""
  _refuse_traced(values)
  try:
    return np.asarray(values)
  except ValueError as error:
    raise UserError(f'The {what} has rows of several lengths.') from error


def _to_float(array: np.ndarray, what: str = 'image') -> np.ndarray:
  if array.dtype in (np.uint8, np.uint16):
    return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
  if not jnp.issubdtype(array.dtype, jnp.floating):
    raise UserError(
      f'The {what} must be uint8, uint16 or float, not {array.dtype}.'
    )
  array = array.astype(np.float32)
  if not np.isfinite(array).all():
    raise UserError(
      f'The {what} holds values that are not finite (NaN or Inf).'
    )
  most = max(array.max(), array.min(), key=abs)
  if abs(most) > _MAX_FLOAT:
    raise UserError(
      f'A float {what} must be in 0 to 1; this one reaches {most:g}.'
    )
  return array


def _from_float(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
  if dtype in (np.uint8, np.uint16):
    return np.rint(array * np.iinfo(dtype).max).astype(dtype)
  return array.astype(dtype)


def _bytes(memory: int | str | None) -> int | None:
  return None if memory is None else memories.parse(str(memory))


def _check_count(values: Any, count: int) -> None:
  _refuse_traced(values)
  try:
    shape = np.shape(values)
  except ValueError:
    return  # lists of several lengths, which `setting.choose` refuses
  if shape not in ((), (1,), (count,)):
    raise UserError(
      f'{np.size(values)} levels or strengths are given for {count} image(s);'
      ' give one, or one an image.'
    )


def _maps(
  mask: Any, count: int, given: tuple[int, ...], wanted: tuple[int, ...]
) -> np.ndarray:
  """A mask as float [1 or B, H', W'] of the size of the result.

  Args:
    mask: [H, W] or [B, H, W], of the image's size or the result's; bool, uint8,
      uint16 or float, see the module.
    count: B.
    given: the image's (H, W).
    wanted: the result's (H, W).
  """
  array = _array(mask, 'mask')
  if array.dtype == bool:
    array = array.astype(np.uint8) * np.uint8(255)
  array = array[None] if array.ndim == 2 else array
  if (
    array.ndim != 3
    or array.shape[0] not in (1, count)
    or array.shape[1:] not in (given, wanted)
  ):
    raise UserError(
      f'A mask must be [H, W] or [B, H, W] for {count} image(s) of {given[0]} x'
      f' {given[1]} pixels; this one has shape {list(np.shape(mask))}.'
    )
  maps = _to_float(array, 'mask')
  if maps.min() < 0 or maps.max() > 1:
    raise UserError('A mask of floats must be in 0 to 1.')
  return np.stack([blend.fit(one, wanted) for one in maps])


def _sweep_values(
  header: Header,
  levels: Sequence[float] | None,
  strengths: Sequence[float] | None,
  level: float | None,
  *,
  channels: int,
) -> setting.Setting:
  """The setting of a sweep, of L strengths and shares."""
  scaling = header.levels.task == 'sr'
  if (levels is None) == (strengths is None):
    raise UserError('Give levels or strengths to sweep over, not both.')
  if scaling and levels is not None:
    raise UserError(
      'Each scale has a size of its own: sweep over strengths at one level (the'
      ' scale), or call restore for each level.'
    )
  if not scaling and level is not None:
    raise UserError('A level beside strengths is for super-resolution only.')
  given = _array(
    levels if levels is not None else strengths, 'list of levels or strengths'
  )
  if given.ndim != 1 or not given.size:
    raise UserError(f'A sweep needs a list of at least one value, not {given}.')
  wanted = levels if levels is not None else level
  return setting.choose(header, wanted, strengths, channels=channels)
