"""Calibration and evaluation, as one process or as one of several.

python -m shared_measuring HOST:PORT PROCESSES PROCESS
"""

import dataclasses
import json
import sys

import numpy as np
import tiny_models

from adafm_jax.calibrate import measure
from adafm_jax.data.image import NamedImage
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.train import mesh as meshes

COUNT = 3  # images: neither two processes nor four share them evenly
PROTOCOL = Protocol.of('denoise', 'float')


def figures():
  """What is measured on images of several sizes, as JSON."""
  model = tiny_models.random_model()
  network = Network(model.arch, model.params)
  rng = np.random.default_rng(0)
  images = [
    NamedImage(f'{i}', rng.integers(0, 256, (20 + i, 24, 3), np.uint8))
    for i in range(COUNT)
  ]
  found = measure.measure(network, images, 25.0, (0, 0.5, 1), PROTOCOL)
  rows = scores.score_set(
    network,
    meshes.mine(images),
    name='set',
    level=25.0,
    strength=0.3,
    protocol=PROTOCOL,
    together=meshes.together,
  )
  mine = [image.name for image in meshes.mine(images)]
  return json.dumps(
    {
      'measured': found.to_json(),
      'scores': [dataclasses.asdict(row) for row in rows],
      'gathered': meshes.gather(mine),
    }
  )


if __name__ == '__main__':
  meshes.join_processes(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
  print(figures())
