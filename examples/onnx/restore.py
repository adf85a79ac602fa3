"""Restores a picture with an exported model, without adafm_jax.

adafm export denoise.onnx -m denoise
python restore.py denoise.onnx noisy.png 40 restored.png
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def restore(model: str, source: str, level: float, target: str) -> None:
  """Restores an RGB picture for a level, such as sigma 40."""
  session = onnxruntime.InferenceSession(model)
  about = json.loads(session.get_modelmeta().custom_metadata_map['adafm'])
  levels, strengths = np.transpose(about['strengths'])
  strength = np.float32([np.interp(level, levels, strengths)])
  image = np.asarray(Image.open(source).convert('RGB'), np.float32) / 255
  given = {'input': image.transpose(2, 0, 1)[None], 'strength': strength}
  (output,) = session.run(['output'], given)
  pixels = np.rint(output[0].transpose(1, 2, 0).clip(0, 1) * 255)
  Image.fromarray(pixels.astype(np.uint8)).save(target)


if __name__ == '__main__':
  restore(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
