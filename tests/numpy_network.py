"""The network in NumPy float64, from its description and nothing of ours.

Weights have PyTorch's layouts and the authors' names; strength scales filters,
as the paper writes it. Slow and plain.
"""

import numpy as np


def random_state(
  rng, *, features, blocks, channels, kernel, trunk=False, adafm_scale=0.5
):
  """A state dict of the authors' network with random weights and biases."""
  state = {}

  def add(name, shape, scale):
    fan_in = np.prod(shape[1:])
    weight = rng.normal(0, scale / np.sqrt(fan_in), shape)
    state[f'{name}.weight'] = weight.astype(np.float32)
    bias = rng.normal(0, 0.2 * scale, shape[:1])
    state[f'{name}.bias'] = bias.astype(np.float32)

  def add_conv(name, inputs, outputs):
    add(name, (outputs, inputs, 3, 3), 1.0)

  def add_adafm(name):
    if kernel:
      add(f'{name}.transformer', (features, 1, kernel, kernel), adafm_scale)

  add_conv('model.0', channels, features)
  for i in range(blocks):
    block = f'model.1.sub.{i}.res'
    add_conv(f'{block}.0', features, features)
    add_adafm(f'{block}.1')
    add_conv(f'{block}.3', features, features)
    add_adafm(f'{block}.4')
  add_conv(f'model.1.sub.{blocks}', features, features)
  if trunk:
    add_adafm(f'model.1.sub.{blocks + 1}')
  add_conv('model.2', features, 4 * features)
  add_conv('model.5', features, features)
  add_conv('model.7', features, channels)
  return state


def run(state, image, strength, *, blocks, after_activation=False):
  """Runs the network on [B, H, W, C], H and W even, in float64."""
  state = {name: value.astype(np.float64) for name, value in state.items()}
  x = np.transpose(image.astype(np.float64), (0, 3, 1, 2))
  head = _conv(x, state, 'model.0', stride=2)
  x = head
  for i in range(blocks):
    block = f'model.1.sub.{i}.res'
    y = _conv(x, state, f'{block}.0')
    if after_activation:
      y = _adafm(np.maximum(y, 0), state, f'{block}.1', strength)
    else:
      y = np.maximum(_adafm(y, state, f'{block}.1', strength), 0)
    y = _conv(y, state, f'{block}.3')
    if not after_activation:
      y = _adafm(y, state, f'{block}.4', strength)
    x = x + y
  x = _conv(x, state, f'model.1.sub.{blocks}')
  x = head + _adafm(x, state, f'model.1.sub.{blocks + 1}', strength)
  x = np.maximum(_pixel_shuffle(_conv(x, state, 'model.2')), 0)
  x = np.maximum(_conv(x, state, 'model.5'), 0)
  return np.transpose(_conv(x, state, 'model.7'), (0, 2, 3, 1))


def depthwise(x, filters):
  """Every channel of [B, C, H, W] with its filter [C, 1, k, k], zero edges."""
  reach = filters.shape[-1] // 2
  height, width = x.shape[2:]
  out = np.zeros_like(x)
  padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
  for dy, dx in np.ndindex(filters.shape[2:]):
    window = padded[:, :, dy : dy + height, dx : dx + width]
    out += filters[:, 0, dy, dx].reshape(1, -1, 1, 1) * window
  return out


def _adafm(x, state, name, strength):
  """Filters g' = I + strength (g - I), biases b' = strength b."""
  name = f'{name}.transformer'
  if f'{name}.weight' not in state:
    return x
  change = state[f'{name}.weight']  # holds g - I
  identity = np.zeros_like(change)
  middle = change.shape[-1] // 2
  identity[:, 0, middle, middle] = 1
  g = identity + change
  g = identity + strength * (g - identity)
  b = strength * state[f'{name}.bias']
  return depthwise(x, g) + b.reshape(1, -1, 1, 1)


def _conv(x, state, name, stride=1):
  """3x3 convolution with one pixel of zeros all round."""
  weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
  batch, _, height, width = x.shape
  rows, columns = height // stride, width // stride
  padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
  out = np.zeros((batch, len(bias), rows, columns))
  for dy, dx in np.ndindex(3, 3):
    window = padded[:, :, dy : dy + height : stride, dx : dx + width : stride]
    out += np.einsum('oi,bihw->bohw', weight[:, :, dy, dx], window)
  return out + bias.reshape(1, -1, 1, 1)


def _pixel_shuffle(x):
  """Channel c * 4 + dy * 2 + dx becomes pixel (dy, dx) of channel c."""
  batch, channels, height, width = x.shape
  out = np.zeros((batch, channels // 4, 2 * height, 2 * width))
  for c, dy, dx in np.ndindex(channels // 4, 2, 2):
    out[:, c, dy::2, dx::2] = x[:, c * 4 + dy * 2 + dx]
  return out
