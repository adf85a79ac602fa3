"""A released model: one .safetensors file that says all about itself.

The tensors are the parameters, 'block_00/conv_1/kernel' and so on. The key
'adafm' of the file's metadata holds a JSON header: the architecture, the
levels between which the model restores, its lambda curve and where it comes
from. Reading the header needs neither JAX nor the weights.

A model may have two lambda curves. 'single' is the paper's: one lambda for all
AdaFM layers, a function of the level. 'layers' bends it for each layer, by the
tensor `layer_curve`. Both are in the file; the architecture's `layer_curve` is
0 where the first is the default.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from adafm_jax import files
from adafm_jax.degrade import level as levels_lib
from adafm_jax.errors import UserError
from adafm_jax.evaluate.curve import Curve
from adafm_jax.models.architecture import MOST_CURVE, Architecture

FORMAT = 'adafm'  # the key of the metadata, too
VERSION = 2  # 2: layer_curve
DTYPES = {'F16': 'float16', 'F32': 'float32'}  # safetensors' names and NumPy's

LAYER_CURVE = 'layer_curve'  # the tensor's name, and the parameter's

_FIELDS = ('arch', 'levels', 'curve', 'noise', 'provenance')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
  """What a model file says about its model.

  Attributes:
    arch: the network's sizes.
    levels: the task and the levels of strength 0 and 1.
    curve: strength as a function of the level; None: linear between the ends.
    noise: of task denoise, what the model was trained on: 'clipped' (8-bit
      noisy images) or 'float' (unclipped); None if unknown, and for other
      tasks.
    provenance: where the model comes from, any JSON: config, data, steps,
      versions, git revision. 'metrics', if there, is a list of flat rows such
      as {'set': 'CBSD68', 'level': 15, 'psnr': 34.1}.

  Raises:
    UserError: the curve's ends are not those of `levels`, or `noise` does not
      fit the task.
  """

  arch: Architecture
  levels: levels_lib.LevelRange
  curve: Curve | None = None
  noise: str | None = None
  provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    ends = (self.levels.start, self.levels.end)
    if self.curve and (self.curve.start, self.curve.end) != ends:
      raise UserError(
        f'The lambda curve runs from {self.curve.start:g} to'
        f' {self.curve.end:g}, but the model from {ends[0]:g} to {ends[1]:g}.'
      )
    denoising = self.levels.task == 'denoise'
    legal = (None, *(levels_lib.TRAINING_NOISES if denoising else ()))
    if self.noise not in legal:
      raise UserError(
        f'The noise protocol is {self.noise!r}; for task {self.levels.task} it'
        f' may be {", ".join(map(str, legal))}.'
      )

  def strength(self, level: float) -> float:
    """The strength (lambda), in [0, 1], that serves a level.

    Args:
      level: in the task's unit.

    Raises:
      UserError: the level is outside the model's range, or the model has no
        AdaFM layers and the level isn't the one it was trained for.
    """
    self.levels.check(level)
    position = self.levels.position(level)
    if position and not self.arch.kernel:
      label = levels_lib.TASKS[self.levels.task].label
      raise UserError(
        'This model has no AdaFM layers: it restores'
        f' {label(self.levels.start)} only, not {label(level)}.'
      )
    return self.curve.strength(level) if self.curve else position

  @property
  def default_curve(self) -> str:
    """The lambda curve in use: 'layers' or 'single'."""
    return 'layers' if self.arch.layer_curve else 'single'


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model(Header):
  """A header and the weights.

  Attributes:
    params: nested dict of float32 arrays, as `restorer.make_apply` takes them.
    layer_curve: float32 [AdaFM layers, n], see `strength.per_layer`, whether
      it is in use or not; None: the model has only the single curve.

  Raises:
    UserError: the layer curve is not one of the network's layers.
  """

  params: dict[str, Any]
  layer_curve: np.ndarray | None = None

  def __post_init__(self):
    super().__post_init__()
    if (used := self.params.get(LAYER_CURVE)) is not None:
      object.__setattr__(self, 'layer_curve', np.asarray(used, np.float32))
    if self.layer_curve is None:
      return
    shape, most = np.shape(self.layer_curve), MOST_CURVE
    if len(shape) != 2 or shape[0] != self.arch.adafm_layers or shape[1] > most:
      raise UserError(
        f'Tensor {LAYER_CURVE} has shape {list(shape)}; it must have one row'
        f' for each of {self.arch.adafm_layers} AdaFM layers, of up to {most}'
        ' coefficients.'
      )

  @property
  def curves(self) -> tuple[str, ...]:
    """The lambda curves there are: 'single', and perhaps 'layers'."""
    return ('single',) if self.layer_curve is None else ('single', 'layers')

  def with_curve(self, name: str) -> Model:
    """The same weights with another of the model's lambda curves.

    Args:
      name: 'single', one lambda for all AdaFM layers as in the paper, or
        'layers', one for each.

    Returns:
      A model, whose strengths 0 and 1 are the same as this one's.

    Raises:
      UserError: the model has no such curve.
    """
    if name not in self.curves:
      raise UserError(
        f'This model has the lambda curve(s) {", ".join(self.curves)}, not'
        f' {name!r}.'
      )
    params = {k: v for k, v in self.params.items() if k != LAYER_CURVE}
    if name == 'layers':
      params[LAYER_CURVE] = self.layer_curve
    count = np.shape(params.get(LAYER_CURVE, [[]]))[1]
    arch = dataclasses.replace(self.arch, layer_curve=count)
    return dataclasses.replace(self, arch=arch, params=params)

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
      image,
      levels=levels,
      strengths=strengths,
      level=level,
      memory=memory,
    )


def save(
  path: str | os.PathLike[str], model: Model, *, dtype: str = 'float32'
) -> None:
  """Writes a model file, whole or not at all.

  Args:
    path: of the file, ending in .safetensors.
    model: what to write.
    dtype: of the weights in the file, 'float32' or 'float16' (half the size;
      each is rounded by up to one part in 2048).

  Raises:
    UserError: the parameters are not those of the architecture, not finite,
      or too large for float16; the provenance isn't JSON; or the file can't be
      written.
  """
  if dtype not in DTYPES.values():
    raise UserError(f'Weights are saved as float32 or float16, not as {dtype}.')
  from adafm_jax.models import parameters  # JAX, which `adafm info` spares

  flat = parameters.flatten(model.params)
  parameters.check({name: x.shape for name, x in flat.items()}, model.arch)
  if model.layer_curve is not None:
    flat[LAYER_CURVE] = model.layer_curve
  with np.errstate(over='ignore'):  # to infinity, which is refused below
    tensors = {name: np.ascontiguousarray(x, dtype) for name, x in flat.items()}
  _check_finite(path, tensors)
  try:
    header = json.dumps(to_json(model), allow_nan=False)
  except (TypeError, ValueError) as error:
    raise UserError(
      f'Cannot write {path}: its provenance must be JSON ({error}).'
    ) from error
  with files.atomic_path(path) as temporary:
    safetensors.numpy.save_file(tensors, temporary, {FORMAT: header})


def load(path: str | os.PathLike[str]) -> Model:
  """Reads a model file and checks every weight in it.

  Raises:
    UserError: there is no such file; it isn't a whole model file of a version
      known here; or its weights are missing, unexpected, of another shape or
      not finite.
  """
  from adafm_jax.models import parameters  # JAX, which `adafm info` spares

  with _open(path) as file:
    header = _header(path, file)
    shapes = _shapes(file)
    names = list(shapes)
    if not header.arch.layer_curve:
      shapes.pop(LAYER_CURVE, None)
    parameters.check(shapes, header.arch, f'{path}: ')
    tensors = {name: _read(path, file, name) for name in names}
  _check_finite(path, tensors)
  curve = tensors.get(LAYER_CURVE)
  tensors = {name: tensors[name] for name in shapes}
  fields = {name: getattr(header, name) for name in _FIELDS}
  params = parameters.unflatten(tensors)
  return Model(params=params, layer_curve=curve, **fields)


def read_header(path: str | os.PathLike[str]) -> Header:
  """Reads what a model file says about its model, without the weights.

  Raises:
    UserError: there is no such file, or it isn't a model file of a version
      known here.
  """
  with _open(path) as file:
    return _header(path, file)


def read_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
  """The shape of each tensor by its name, without reading the weights.

  Raises:
    UserError: there is no such file, or it isn't a safetensors file.
  """
  with _open(path) as file:
    return _shapes(file)


def to_json(header: Header) -> dict[str, Any]:
  """The JSON header of a model file; for a `Model`, without its weights."""
  return {
    'format': FORMAT,
    'version': VERSION,
    'arch': header.arch.to_json(),
    'levels': {
      'task': header.levels.task,
      'start': float(header.levels.start),
      'end': float(header.levels.end),
    },
    'curve': header.curve.to_json() if header.curve else None,
    'noise': header.noise,
    'provenance': dict(header.provenance),
  }


@contextlib.contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Any]:
  """A safetensors file, whose header alone has been read."""
  try:
    with safetensors.safe_open(path, 'numpy') as file:
      yield file
  except FileNotFoundError as error:
    raise UserError(f'There is no model file {path}.') from error
  except OSError as error:
    raise UserError(f'Cannot read the model file {path}: {error}.') from error
  except safetensors.SafetensorError as error:
    raise UserError(
      f'{path} is not a whole safetensors file ({error}); it may be cut short,'
      ' or no model file at all.'
    ) from error


def _header(path: str | os.PathLike[str], file: Any) -> Header:
  """Parses the JSON header; every mistake in it names the file."""
  text = (file.metadata() or {}).get(FORMAT)
  if text is None:
    raise UserError(
      f'{path} is a safetensors file, but not a model of adafm: its metadata'
      f' have no {FORMAT!r} header.'
    )
  try:
    return _parse(text)
  except UserError as error:
    raise UserError([f'{path}: {line}' for line in error.problems]) from error


def _parse(text: str) -> Header:
  """Makes a `Header` of its JSON text.

  Raises:
    UserError: the text isn't JSON, has other fields, or is of a later version.
  """
  try:
    values = json.loads(text)
  except ValueError as error:
    raise UserError(f'The header is not JSON ({error}).') from error
  if not isinstance(values, dict) or type(values.get('version')) is not int:
    raise UserError('The header must be a JSON object with a whole version.')
  if values['version'] > VERSION:
    raise UserError(
      f'The file has version {values["version"]} of the format, and this'
      f' program reads up to {VERSION}: upgrade adafm_jax.'
    )
  if missing := [name for name in _FIELDS if name not in values]:
    raise UserError(f'The header lacks the field(s) {", ".join(missing)}.')
  for name in ('arch', 'levels', 'provenance'):
    if not isinstance(values[name], dict):
      raise UserError(f'Header field {name} must be a JSON object.')
  curve = values['curve']
  return Header(
    arch=Architecture.from_json(values['arch']),
    levels=_level_range(values['levels']),
    curve=None if curve is None else Curve.from_json(curve),
    noise=values['noise'],
    provenance=values['provenance'],
  )


def _level_range(values: dict[str, Any]) -> levels_lib.LevelRange:
  try:
    task = str(values['task'])
    start, end = float(values['start']), float(values['end'])
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(
      'Header field levels must hold a task and the numbers start and end; it'
      f' is {values}.'
    ) from error
  return levels_lib.LevelRange(task, start, end)


def _shapes(file: Any) -> dict[str, tuple[int, ...]]:
  names = list(file.keys())
  return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def _read(path: str | os.PathLike[str], file: Any, name: str) -> np.ndarray:
  """One tensor as float32, copied out of the mapped file."""
  dtype = file.get_slice(name).get_dtype()
  if dtype not in DTYPES:
    raise UserError(
      f'{path}: Tensor {name} holds {dtype}; it must hold F32 or F16.'
    )
  return np.array(file.get_tensor(name), np.float32)


def _check_finite(
  path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]
) -> None:
  bad = [
    name for name, x in sorted(tensors.items()) if not np.isfinite(x).all()
  ]
  if bad:
    raise UserError(
      f'{path}: weights must be finite numbers of the type they are saved in;'
      f' {", ".join(bad[:3])} ({len(bad)} of {len(tensors)} tensors) are not.'
    )
