"""Restores a picture with an exported model, without adafm_jax.

adafm export denoise.onnx -m denoise
python restore.py denoise.onnx noisy.png 40 restored.png
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image


def restore(model: str, source: str, level: float, target: str) -> None:
  """Restores an RGB picture for a level, such as sigma 40.

  Super-resolution takes a picture that is enlarged already.
  """
  session = onnxruntime.InferenceSession(model)
  image_input, *others = session.get_inputs()
  if not others or image_input.shape[1] != 3:
    raise SystemExit(f'{model} takes no strength, or no RGB.')
  about = json.loads(session.get_modelmeta().custom_metadata_map['adafm'])
  levels, strengths = np.transpose(about['strengths'])
  if not levels[0] <= level <= levels[-1]:
    raise SystemExit(f'{model} has levels {levels[0]:g} to {levels[-1]:g}.')
  strength = np.float32([np.interp(level, levels, strengths)])
  image = np.asarray(Image.open(source).convert('RGB'), np.float32) / 255
  given = {'input': image.transpose(2, 0, 1)[None], 'strength': strength}
  (output,) = session.run(['output'], given)
  pixels = np.rint(output[0].transpose(1, 2, 0).clip(0, 1) * 255)
  Image.fromarray(pixels.astype(np.uint8)).save(target)


if __name__ == '__main__':
  parser = argparse.ArgumentParser()
  parser.add_argument('model', help='of adafm export, for RGB, without --level')
  parser.add_argument('source', help='a picture')
  parser.add_argument('level', type=float)
  parser.add_argument('target', help='the restored picture')
  restore(**vars(parser.parse_args()))
