"""Plans of memory, held against what XLA plans for the compiled functions."""

import jax
import numpy as np
import pytest

from adafm_jax.engine import line_buffers, plan
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(features=16, blocks=2, kernel=5)
GIB = 2**30


def test_small_images_go_whole_and_large_ones_in_tiles():
  assert plan.make_plan(ARCH, (256, 256), 1, GIB).side is None
  assert plan.make_plan(ARCH, (9000, 9000), 1, GIB).side == 256
  wide = plan.make_plan(ARCH, (9000, 9000), 1, plan.tile_bytes(ARCH, 64, 9000))
  assert (wide.side, wide.chunk) == (64, 1)


def test_a_plan_stays_within_its_memory():
  for memory in (2**25, 2**27, 2**30):
    for size in ((300, 500), (4000, 6000)):
      found = plan.make_plan(ARCH, size, 11, memory)
      assert 0 < found.memory <= memory
      assert 1 <= found.chunk <= 11


@pytest.mark.parametrize(
  ('passes', 'chunk'), [(11, 11), (20, 11), (10, 6), (4, 4), (1, 1), (0, 1)]
)
def test_chunks_fit_memory_and_are_even(passes, chunk):
  each = plan.whole_bytes(ARCH, 100, 100)
  memory = passes * each + each // 2
  assert plan.make_whole_plan(ARCH, (100, 100), 11, memory).chunk == chunk


def test_a_pass_on_the_cpu_stays_in_its_cache():
  """However much memory there is: measured, more at once is slower."""
  small = plan.make_plan(ARCH, (64, 64), 11, 64 * GIB)
  large = plan.make_plan(ARCH, (512, 512), 11, 64 * GIB)
  assert (small.chunk, large.chunk) == (11, 1)


def test_memory_grows_with_pixels_and_features():
  small = plan.whole_bytes(ARCH, 20, 30)
  assert plan.whole_bytes(ARCH, 40, 60) == 4 * small
  assert plan.whole_bytes(Architecture(), 20, 30) == 4 * small


def test_tiles_of_a_side_asked_for():
  assert plan.make_plan(ARCH, (100, 100), 1, GIB, side=32).side == 32


def test_too_little_memory_is_reported():
  with pytest.raises(UserError, match=r'9000 pixels wide .* tiles of 64'):
    plan.make_plan(ARCH, (9000, 9000), 1, 2**20)


@pytest.mark.parametrize('batch', [1, 3])
def test_what_is_planned_covers_what_xla_needs(batch):
  """Scratch and carries of one tile; the image is one tile wide."""
  side, arch = 64, ARCH
  shapes = restorer.parameter_shapes(arch)
  tile = np.zeros((batch, side, side, 3), np.float32)
  strength = np.zeros((1, 1, 1, 1, 1), np.float32)
  place = line_buffers.Place(0, 0, side, side)
  step = jax.jit(line_buffers.make_step(arch))
  _, carry = jax.eval_shape(step, shapes, tile, strength, place, None)
  needs = (
    step.lower(shapes, tile, strength, place, carry).compile().memory_analysis()
  )
  used = needs.temp_size_in_bytes + needs.output_size_in_bytes
  planned = batch * plan.tile_bytes(arch, side, side)
  assert used <= planned <= 4 * used


def test_a_whole_image_needs_no_more_than_planned():
  shapes = restorer.parameter_shapes(ARCH)
  image = np.zeros((1, 96, 128, 3), np.float32)
  apply = jax.jit(restorer.make_apply(ARCH))
  needs = apply.lower(shapes, image, 0.5).compile().memory_analysis()
  assert needs.temp_size_in_bytes <= plan.whole_bytes(ARCH, 96, 128)
  assert plan.whole_bytes(ARCH, 96, 128) <= 2 * needs.temp_size_in_bytes
