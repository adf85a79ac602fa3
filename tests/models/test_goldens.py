"""The authors' own outputs, where a person has them.

ADAFM_REFERENCE names a folder of state dicts `adafm_c<channels>k<kernel>.pth`
of the authors' network and of `.npz` beside them with `input` and outputs
`output_<strength>`, [B, C, H, W]; PyTorch must be installed.
"""

import importlib.util
import os
import pathlib

import jax
import numpy as np
import pytest

from adafm_jax.model_file import authors, authors_file
from adafm_jax.models import restorer

_FOLDER = os.environ.get('ADAFM_REFERENCE')
pytestmark = [
  pytest.mark.skipif(not _FOLDER, reason='ADAFM_REFERENCE is not set'),
  pytest.mark.skipif(
    importlib.util.find_spec('torch') is None, reason='needs PyTorch'
  ),
]


@pytest.mark.parametrize('kernel', [1, 3, 5])
@pytest.mark.parametrize('channels', [1, 3])
def test_equals_the_authors_network(channels, kernel):
  path = pathlib.Path(_FOLDER or '') / f'adafm_c{channels}k{kernel}.pth'
  state = authors_file.read_pth(path)
  arch, params = authors.from_authors(state)
  assert (arch.channels, arch.kernel) == (channels, kernel)
  assert arch.placement == 'block+trunk'
  golden = np.load(path.with_suffix('.npz'))
  image = golden['input'].transpose(0, 2, 3, 1)
  apply = jax.jit(restorer.make_apply(arch))
  strengths = [n.split('_')[1] for n in golden.files if n.startswith('output_')]
  assert len(strengths) == 3
  for strength in strengths:
    expected = golden[f'output_{strength}'].transpose(0, 2, 3, 1)
    actual = np.asarray(apply(params, image, float(strength)))
    error = np.abs(actual - expected).max()
    print(f'max error at strength {strength}: {error:.2g}')
    assert error < 2e-5
  again = authors.to_authors(params, arch)
  assert {k: v.tolist() for k, v in again.items()} == {
    k: v.tolist() for k, v in state.items()
  }
