import numpy as np

from adafm_jax.images import alpha as alphas

RANDOM = np.random.default_rng(0)


def test_there_and_back_changes_no_file():
  for highest in (255, 65535):
    pixels = RANDOM.integers(0, highest + 1, (64, 64, 3)) / np.float32(highest)
    alpha = RANDOM.integers(0, highest + 1, (64, 64, 1)) / np.float32(highest)
    pixels, alpha = pixels.astype(np.float32), alpha.astype(np.float32)
    alpha[:8], pixels[:, :8] = 0, 1
    alpha[8, 0] = 1 / highest
    seen = alphas.premultiply(pixels, alpha)
    back = alphas.unpremultiply(seen, alpha, pixels)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(
      np.rint(back * highest), np.rint(pixels * highest)
    )


def test_hidden_colours_do_not_reach_the_network():
  alpha = np.zeros((4, 4, 1), np.float32)
  one, other = RANDOM.random((2, 4, 4, 3), np.float32)
  np.testing.assert_array_equal(
    alphas.premultiply(one, alpha), alphas.premultiply(other, alpha)
  )
  # And what the network makes of nothing does not reach the file.
  back = alphas.unpremultiply(other, alpha, one)
  np.testing.assert_array_equal(back, one)


def test_what_is_seen_is_what_the_network_gave():
  """Put on black, the result is the network's output, where that can be."""
  alpha = np.float32(RANDOM.uniform(0.01, 1, (32, 32, 1)))
  output = alpha * RANDOM.random((32, 32, 3), np.float32)
  straight = alphas.unpremultiply(output, alpha, np.zeros_like(output))
  np.testing.assert_allclose(straight * alpha, output, rtol=1e-5)
  clipped = alphas.unpremultiply(output * 0 + 2, alpha, output)
  assert (clipped == 1).all()


def test_without_alpha_nothing_changes():
  pixels = RANDOM.random((4, 4, 3), np.float32)
  assert alphas.premultiply(pixels, None) is pixels
  assert alphas.unpremultiply(pixels, None, pixels) is pixels


def test_small_holes_are_closed_for_the_network():
  rng = np.random.default_rng(0)
  pixels = rng.uniform(0.4, 0.6, (20, 20, 3)).astype(np.float32)
  opaque = np.ones((20, 20, 1), np.float32)
  opaque[2, 3], opaque[10:16, 10:16] = 0, 0
  shown = alphas.seen(pixels, opaque)
  assert (shown[2, 3] == pixels[[1, 3, 2, 2], [3, 3, 2, 4]]).all(-1).any()
  assert not shown[10:16, 10:16].any()
  visible = opaque[..., 0] == 1
  np.testing.assert_array_equal(shown[visible], pixels[visible])
  # Beside what is half transparent, brightness says nothing about colour.
  opaque[0] = 0.5
  premultiplied = alphas.premultiply(pixels, opaque)
  np.testing.assert_array_equal(alphas.seen(pixels, opaque), premultiplied)
  assert not alphas.seen(pixels, np.zeros_like(opaque)).any()
