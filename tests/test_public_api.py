import subprocess
import sys

import adafm_jax
from adafm_jax import zoo
from adafm_jax.model import Model
from adafm_jax.models import restorer


def test_the_public_list_is_reachable():
  assert adafm_jax.load_model is zoo.load
  assert adafm_jax.Model is Model
  assert adafm_jax.make_apply is restorer.make_apply
  for name in adafm_jax.__all__:
    assert getattr(adafm_jax, name) is not None
  assert set(adafm_jax.__all__) <= set(dir(adafm_jax))


def test_importing_the_package_does_not_import_jax():
  code = (
    'import sys, adafm_jax;'
    "sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
  )
  assert subprocess.run([sys.executable, '-c', code]).returncode == 0
