"""Restoring photographs: the level of each, and the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from adafm_jax import files
from adafm_jax.degrade import level as levels
from adafm_jax.degrade import resize
from adafm_jax.degrade.level import LevelRange
from adafm_jax.engine import blend
from adafm_jax.engine.run import Network
from adafm_jax.estimate import level as estimate
from adafm_jax.images import alpha as alphas
from adafm_jax.images import formats
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.model_file.header import Header
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import contrast, flat, pipeline, recipe, setting
from adafm_jax.restore import mask as masks
from adafm_jax.restore.pairs import Pair

# What a photograph takes for a pixel of its result, from decoding to writing:
# 43 as RGB, 54 with chroma beside a luma network, 62 enlarged.
PIXEL_BYTES = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What all photographs of a call share.

  Attributes:
    header: of the model.
    network: that runs it.
    name: of the model, as the user gave it.
    sha256: of the model's file.
    level: in the task's unit; None: estimated, or `strength` says it.
    strength: in [0, 1]; None: from the level.
    estimated: whether the given level is an estimate, as in a recipe.
    mask: float32 [H, W] in [0, 1], factor on the strength; or None.
    mask_sha256: of the mask's file.
    quality: of files with loss, 1 to 100.
    runtime: the name of what computes, for the recipe.
    recipe: whether results carry a recipe.
    gentler: gives levels of other models, by name, that begin below this one;
      called where a photograph needs less than this one.
  """

  header: Header
  network: Network
  name: str
  sha256: str
  level: float | None = None
  strength: float | None = None
  estimated: bool = False
  mask: np.ndarray | None = None
  mask_sha256: str | None = None
  quality: int = 95
  runtime: str = 'jax'
  recipe: bool = False
  gentler: Callable[[], Mapping[str, LevelRange]] = dict

  @property
  def arch(self) -> Architecture:
    """The network's sizes."""
    return self.header.arch


class Choice(NamedTuple):
  """At which strength a photograph is restored.

  Attributes:
    level: in the task's unit; None where a strength was given.
    strength: in [0, 1].
    scale: by which the photograph is enlarged.
    sentence: for the user.
    share: of the network's output in the result, in [0, 1]; the rest is the
      photograph. Below 1 where it is cleaner than the model's range.
    estimated: whether the level was; None where there is none.
    gain: by which the photograph is stretched, see `contrast`.
  """

  level: float | None
  strength: float
  scale: float
  sentence: str
  share: float = 1.0
  estimated: bool | None = None
  gain: float = 1.0


class Loaded(NamedTuple):
  """A photograph on its way to the network.

  Attributes:
    pair: its file and that of the result.
    photo: as it was read.
    choice: its strength.
    pixels: float32 [H', W', C], the network's input.
    strength: float32 [] or [H', W'].
    finish: turns the network's output into an image.
  """

  pair: Pair
  photo: photos.Photo
  choice: Choice
  pixels: np.ndarray
  strength: np.ndarray
  finish: pipeline.Finish


def choose(job: Job, photo: photos.Photo, found: contrast.Contrast) -> Choice:
  """Decides on the strength of a photograph.

  Args:
    job: what the user asks for.
    photo: the photograph.
    found: its contrast.

  Raises:
    UserError: a given level or strength is outside the model's range, or
      super-resolution is given no scale.
  """
  label = levels.TASKS[job.header.levels.task].label
  level, sentence, estimated = job.level, '', job.estimated
  if level is None and job.strength is None:
    level, sentence = _estimate(job.header, photo, found)
    estimated = True
  strength, scale, shares, gains = setting.choose(
    job.header,
    level,
    job.strength,
    channels=photo.pixels.shape[-1],
    gain=found.gain[0],
  )
  value, share, gain = float(strength), float(shares), float(gains)
  if estimated and share < setting.MIN_SHARE[job.header.levels.task]:
    share = 0.0
  if not sentence and level is not None:
    sentence = f'{label(level)}.'
  if found.faint[0]:
    share = 0.0
    text = f'It uses {found.used[0]:.2g} of its range, too little: left alone.'
  elif share == 0:
    text = f'{sentence} Cleaner than the model restores: left alone.'
  elif share < 1:
    text = f'{sentence} Strength {value:g}, faded to {share:.0%}.'
  else:
    text = f'{sentence} Strength {value:.3g}.'.lstrip()
  if level is not None and share < 1 and not found.faint[0]:
    fits = [item for item in job.gentler().items() if item[1].contains(level)]
    if fits:
      text += ' Model {} is made for it ({}).'.format(*fits[0])
  if job.mask is not None and share and not strength:
    text += ' The mask changes nothing: the strength is 0 everywhere.'
  if gain != 1 and share:
    text += f' It uses {found.used[0]:.2g} of its range and is stretched to it.'
  known = None if level is None else estimated
  return Choice(level, value, scale, text, share, known, gain)


def _estimate(
  header: Header, photo: photos.Photo, contrasts: contrast.Contrast
) -> tuple[float, str]:
  """The estimated level, and a sentence about it."""
  if not header.arch.kernel:  # it has one level only
    return header.levels.start, ''
  pixels = contrast.stretch(photo.pixels[None], contrasts)[0]
  found = estimate.estimate_level(
    photo._replace(pixels=np.clip(pixels, 0, 1)),
    header.levels,
    float(contrasts.gain[0]),
  )
  return found.level, found.sentence


def load(
  job: Job, pair: Pair, admit: Callable[[int], None] = lambda _: None
) -> Loaded:
  """Reads a photograph and prepares it for the network.

  Args:
    job: what to do.
    pair: the photograph's file and that of its result.
    admit: called with the bytes that the photograph will take, before it is
      decoded; may wait.

  Raises:
    UserError: it can't be read or restored; the sentence names it.
  """
  for path in recipe.places(pair.target, job.recipe):
    files.check_place(path)
  scale = job.level if job.header.levels.task == 'sr' and job.level else 1.0
  photo = photos.read_photo(
    pair.source, lambda w, h: admit(int(PIXEL_BYTES * w * h * scale**2))
  )
  found = contrast.find(photo.pixels[None], job.header.levels.task, photo.alpha)
  choice = choose(job, photo, found)
  found = contrast.limit(found, choice.gain)
  seen = alphas.seen(photo.pixels, photo.alpha)
  height, width = (resize.length(n, choice.scale) for n in seen.shape[:2])
  size = height, width
  photo_write.check(pair.target, formats.of_path(pair.target), size, photo)
  pixels, finish = contrast.prepare(
    seen[None], job.arch.channels, found, scale=choice.scale
  )
  strength = np.asarray(choice.strength, np.float32)
  if job.mask is not None:
    masks.check(job.mask, photo.pixels.shape, pair.source)
    mask = blend.fit(job.mask, pixels.shape[1:3])
    strength = (strength * mask).astype(np.float32)
  return Loaded(
    pair, photo, choice, pixels[0], strength, lambda x: finish(x[None])[0]
  )


def pass_of(loaded: Loaded) -> tuple[Any, ...] | None:
  """What photographs must share to go through the network in one pass.

  Their results then equal, bit for bit on the CPU, those of a pass each: one
  strength, so that 1x1 AdaFM layers are folded as for a single photograph.

  Returns:
    Size and strength; None for one that goes alone: its strength is a map, or
    it isn't restored at all.
  """
  if loaded.strength.ndim or not loaded.choice.share:
    return None
  return (*loaded.pixels.shape, float(loaded.strength))


def restore(job: Job, loaded: Sequence[Loaded]) -> np.ndarray:
  """Runs the network, and fades.

  Args:
    job: what to do.
    loaded: one photograph, or several whose `pass_of` is the same.

  Returns:
    float32 [N, H', W', C], not clipped.
  """
  pixels = loaded[0].pixels[None]
  if len(loaded) > 1:
    pixels = np.stack([x.pixels for x in loaded])
  shares = np.array([x.choice.share for x in loaded])
  if not shares.any():
    return pixels
  first = loaded[0].strength
  output = job.network.restore(pixels, first[None] if first.ndim else first)
  output = setting.fade(pixels, output, shares)
  for i, one in enumerate(loaded):
    if one.choice.estimated and job.header.levels.task == 'denoise':
      output[i] = flat.keep(one.pixels, output[i])
  return output
