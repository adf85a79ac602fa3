import math

import numpy as np
import pytest

from adafm_jax.degrade import resize
from adafm_jax.errors import UserError


def cubic(x):
  x = abs(x)
  if x <= 1:
    return 1.5 * x**3 - 2.5 * x**2 + 1
  if x < 2:
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
  return 0.0


def resample_line(line, length, scale):
  """MATLAB's definition, pixel by pixel and in MATLAB's 1-based indices."""
  n = len(line)
  kernel = cubic
  width = 4.0
  if scale < 1:
    width = 4.0 / scale

    def kernel(x):
      return scale * cubic(scale * x)

  mirrored = [*range(1, n + 1), *range(n, 0, -1)]
  result = []
  for x in range(1, length + 1):
    u = x / scale + 0.5 * (1 - 1 / scale)
    left = math.floor(u - width / 2)
    total, weight_sum = 0.0, 0.0
    for index in range(left, left + math.ceil(width) + 2):
      weight = kernel(u - index)
      total += weight * line[mirrored[(index - 1) % (2 * n)] - 1]
      weight_sum += weight
    result.append(total / weight_sum)
  return result


def reference(image, size, scales):
  rows = [resample_line(row, size[1], scales[1]) for row in image.tolist()]
  columns = np.array(rows).T.tolist()
  return np.array([resample_line(c, size[0], scales[0]) for c in columns]).T


def random_image(shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


SCALES = [1 / 2, 1 / 3, 1 / 4, 1 / 3.4, 2, 3, 3.4, 0.77, 1]


@pytest.mark.parametrize('scale', SCALES)
def test_imresize_is_matlabs_definition(scale):
  image = random_image((23, 16))
  size = (math.ceil(23 * scale), math.ceil(16 * scale))
  result = resize.imresize(image, scale)
  expected = reference(image, size, (scale, scale))
  assert result.shape == size
  np.testing.assert_allclose(result, expected, atol=1e-10)


@pytest.mark.parametrize('size', [(10, 31), (40, 7), (1, 1), (23, 16)])
def test_imresize_to_a_size_scales_each_axis_by_itself(size):
  image = random_image((23, 16))
  expected = reference(image, size, (size[0] / 23, size[1] / 16))
  np.testing.assert_allclose(
    resize.imresize(image, size=size), expected, atol=1e-10
  )


def test_tiny_images_are_mirrored_more_than_once():
  image = random_image((2, 3))
  np.testing.assert_allclose(
    resize.imresize(image, 1 / 4),
    reference(image, (1, 1), (0.25, 0.25)),
    atol=1e-10,
  )


def test_known_weights():
  """Keys' kernel at 1/4 and 3/4 by hand: enlarging by 2."""
  far, near = -3 / 128, -9 / 128
  inner, outer = 111 / 128, 29 / 128
  expected = [
    # The border mirrors: sample -1 is sample 0, sample -2 is sample 1.
    [inner + outer, near + far, 0, 0],
    [inner + near, outer, far, 0],
    [outer + far, inner, near, 0],
    [near, inner, outer, far],
  ]
  weights = resize.imresize(np.eye(4), size=(8, 4))
  scaled = resize.imresize(np.eye(4), 2)
  np.testing.assert_allclose(scaled, weights @ weights.T, atol=1e-15)
  np.testing.assert_allclose(weights[:4], expected, atol=1e-15)
  np.testing.assert_allclose(weights[::-1, ::-1], weights, atol=1e-15)


@pytest.mark.parametrize(
  ('n', 'scale', 'expected'),
  [
    (300, 1 / 3, 100),
    (49, 1 / 49, 1),
    (50, 1.1, 55),  # 55.00000000000001 in floats
    (321, 1 / 4, 81),
    (321, 1 / 3.4, 95),
    (3, 3.4, 11),
  ],
)
def test_output_length_is_rounded_up_but_for_float_error(n, scale, expected):
  assert resize.imresize(np.zeros((n, 2)), scale).shape[0] == expected


@pytest.mark.parametrize('scale', [1 / 3.4, 2])
def test_channels_are_resized_alike(scale):
  image = random_image((17, 12, 3))
  result = resize.imresize(image, scale)
  for c in range(3):
    alone = resize.imresize(image[..., c], scale)
    np.testing.assert_allclose(result[..., c], alone, atol=1e-12)


@pytest.mark.parametrize('scale', [2, 3, 4, 6])
def test_shrink_and_enlarge_is_two_imresizes_where_the_scale_divides(scale):
  image = random_image((36, 24, 3))
  expected = resize.imresize(resize.imresize(image, 1 / scale), scale)
  result = resize.shrink_and_enlarge(image, scale)
  np.testing.assert_array_equal(result, expected)
  stretched = resize.imresize(
    resize.imresize(image, 1 / scale), size=image.shape[:2]
  )
  np.testing.assert_allclose(result, stretched, atol=1e-9)


@pytest.mark.parametrize('scale', [2, 3, 4, 3.4, 5.7])
def test_shrink_and_enlarge_moves_nothing(scale):
  """A smooth image stays in place up to its far borders at any size."""
  rows, columns = np.mgrid[:101, :135]
  image = 128 + 60 * np.sin(rows / 25) + 60 * np.cos(columns / 30)
  result = resize.shrink_and_enlarge(image, scale)
  assert result.shape == image.shape
  inner = slice(12, -12)
  error = np.abs(result - image)[inner, inner].max()
  assert error < 0.35  # a shift by one pixel costs 2.4


def test_shrink_and_enlarge_at_scale_one_is_a_copy():
  image = random_image((5, 7, 3))
  result = resize.shrink_and_enlarge(image, 1.0)
  np.testing.assert_array_equal(result, image)
  assert result.dtype == np.float64


def test_modcrop_cuts_bottom_and_right():
  image = random_image((11, 10, 3))
  np.testing.assert_array_equal(resize.modcrop(image, 4), image[:8, :8])
  assert resize.modcrop(image, 5).shape == (10, 10, 3)
  assert resize.modcrop(image, 1).shape == (11, 10, 3)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({}, 'needs a scale'),
    ({'scale': 0}, 'positive, not 0'),
    ({'scale': float('nan')}, 'positive, not nan'),
    ({'size': (0, 4)}, 'must have pixels'),
  ],
)
def test_bad_sizes_are_reported(options, message):
  with pytest.raises(UserError, match=message):
    resize.imresize(np.zeros((4, 4)), **options)
