"""The file of a restored photograph: written or copied, with its recipe."""

from __future__ import annotations

import shutil

import numpy as np

from adafm_jax import files
from adafm_jax.images import alpha as alphas
from adafm_jax.images import formats
from adafm_jax.images import write as photo_write
from adafm_jax.restore import own, pipeline, recipe
from adafm_jax.restore.job import Job, Loaded
from adafm_jax.version import __version__


def copied(job: Job, loaded: Loaded) -> bool:
  """Whether the result is a copy of the file: it is left alone, as it is."""
  same = formats.of_path(loaded.pair.target) == loaded.photo.format
  return loaded.choice.share == 0 and same and not job.recipe


def store(job: Job, loaded: Loaded, output: np.ndarray) -> tuple[str, ...]:
  """Writes a result, whole or not at all.

  Args:
    job: what to do.
    loaded: the photograph.
    output: float32 [H', W', C], of `job.restore`.

  Returns:
    Sentences for the user about what was changed in reading, and what the file
    could not carry.

  Raises:
    UserError: the file can't be written.
  """
  target, beside = loaded.pair.target, None
  if copied(job, loaded):
    notes: tuple[str, ...] = ()
    with files.atomic_path(target, own.mark) as temporary:
      shutil.copyfile(loaded.pair.source, temporary)  # nothing is recoded
  else:
    text = make_recipe(job, loaded).to_json() if job.recipe else None
    carried = text if recipe.fits_into(target) else None
    beside = None if carried else text
    notes = loaded.photo.notes + _write(job, loaded, output, carried)
  side = recipe.sidecar(target)
  if beside:
    files.write_text(side, beside + '\n', own.mark)
  elif own.is_own(side):  # of another result that had this name
    side.unlink()
  return notes


def _write(
  job: Job, loaded: Loaded, output: np.ndarray, text: str | None
) -> tuple[str, ...]:
  """Writes the picture, with a recipe's text in its metadata."""
  photo, scale = loaded.photo, loaded.choice.scale
  photo = photo._replace(metadata=recipe.leave_out(photo.metadata))
  pixels = loaded.finish(output).astype(np.float32, copy=False)
  alpha, hidden = pipeline.enlarge_hidden(photo.alpha, photo.pixels, scale)
  pixels = alphas.unpremultiply(pixels, alpha, hidden)
  return photo_write.write_photo(
    loaded.pair.target,
    pixels,
    photo._replace(alpha=alpha),
    quality=job.quality,
    extra_text={recipe.KEY: text} if text else None,
    written=own.mark,
  )


def make_recipe(job: Job, loaded: Loaded) -> recipe.Recipe:
  """What a result was made with."""
  return recipe.Recipe(
    adafm_jax=__version__,
    model=job.name,
    model_sha256=job.sha256,
    task=job.header.levels.task,
    level=loaded.choice.level,
    estimated=loaded.choice.estimated,
    strength=loaded.choice.strength,
    self_ensemble=job.network.self_ensemble,
    mask_sha256=job.mask_sha256,
    source=loaded.pair.source.name,
    source_sha256=files.sha256(loaded.pair.source),
    quality=job.quality,
    runtime=job.runtime,
  )
