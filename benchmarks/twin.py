"""The same network in PyTorch, with the loop of the authors' tool.

Written for the benchmark from the paper's description; needs the extra `torch`.
Weights come from a JAX parameter tree, so that both compute the same.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from torch import nn


class Twin(nn.Module):
  """AdaFM-Net at one strength, AdaFM in the residual blocks."""

  def __init__(self, arch, params):
    super().__init__()
    self.arch = arch
    self.layers = nn.ModuleDict()
    for name, layer in _layers(params):
      kernel = np.array(layer['kernel'])
      side, _, given, made = kernel.shape
      depthwise = 'adafm' in name
      conv = nn.Conv2d(
        made if depthwise else given,
        made,
        side,
        stride=2 if name == 'head' else 1,
        padding=side // 2,
        groups=made if depthwise else 1,
      )
      weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
      conv.weight.data.copy_(weight)
      conv.bias.data.copy_(torch.from_numpy(np.array(layer['bias'])))
      self.layers[name] = conv
    self._ends = {
      name: (conv.weight.data.clone(), conv.bias.data.clone())
      for name, conv in self.layers.items()
      if 'adafm' in name
    }

  def set_strength(self, strength: float) -> None:
    """Reloads the AdaFM weights, scaled, as the authors' tool does."""
    for name, (weight, bias) in self._ends.items():
      self.layers[name].weight.data.copy_(strength * weight)
      self.layers[name].bias.data.copy_(strength * bias)

  def _modulate(self, x, name):
    return x + self.layers[name](x) if name in self.layers else x

  def forward(self, image):
    """[B, C, H, W] to the same, H and W even."""
    layers = self.layers
    head = x = layers['head'](image)
    for i in range(self.arch.blocks):
      y = layers[f'block_{i:02d}_conv_1'](x)
      y = torch.relu(self._modulate(y, f'block_{i:02d}_adafm_1'))
      y = layers[f'block_{i:02d}_conv_2'](y)
      x = x + self._modulate(y, f'block_{i:02d}_adafm_2')
    x = layers['trunk'](x) + head
    x = torch.relu(nn.functional.pixel_shuffle(layers['upsample'](x), 2))
    return layers['tail'](torch.relu(layers['hidden'](x)))


def _layers(params, prefix=''):
  for name, value in params.items():
    if 'kernel' in value:
      yield prefix + name, value
    else:
      yield from _layers(value, f'{prefix}{name}_')


def restore(twin: Twin, image: np.ndarray, strength: float) -> np.ndarray:
  """[B, H, W, C] at one strength."""
  with torch.inference_mode():
    twin.set_strength(strength)
    given = torch.from_numpy(image).permute(0, 3, 1, 2)
    memory = twin.layers['head'].weight.is_contiguous(
      memory_format=torch.channels_last
    )
    if not memory:
      given = given.contiguous()
    return twin(given).permute(0, 2, 3, 1).numpy()


def sweep(twin: Twin, image: np.ndarray, strengths) -> np.ndarray:
  """Every strength in turn, with weights reloaded for each."""
  return np.stack([restore(twin, image, float(s)) for s in strengths])


def onnx_restore(twin: Twin, image: np.ndarray, strength: float):
  """A function that restores with onnxruntime; None if it isn't installed.

  The weights of one strength are fixed in the exported graph.
  """
  try:
    import onnx  # noqa: F401  what PyTorch exports with
    import onnxruntime
  except ImportError:
    return None
  twin.set_strength(strength)
  given = torch.from_numpy(image).permute(0, 3, 1, 2).contiguous()
  buffer = io.BytesIO()
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # it recommends its successor
    torch.onnx.export(twin, (given,), buffer, dynamo=False)
  session = onnxruntime.InferenceSession(buffer.getvalue())
  feed = {session.get_inputs()[0].name: given.numpy()}
  return lambda: session.run(None, feed)[0].transpose(0, 2, 3, 1)


def train_step(twin: Twin, adapting: bool):
  """A function that takes one Adam step on a batch."""
  for name, conv in twin.layers.items():
    conv.requires_grad_(('adafm' in name) == adapting)
  trained = [p for p in twin.parameters() if p.requires_grad]
  optimizer = torch.optim.Adam(trained, lr=1e-4)

  def step(degraded: torch.Tensor, clean: torch.Tensor) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss = (twin(degraded) - clean).abs().mean()
    loss.backward()
    optimizer.step()
    return float(loss.detach())

  return step
