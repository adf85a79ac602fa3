"""What each system trains, starts from and measures."""

import jax
import numpy as np
import pytest
from small_configs import parse
from small_sets import smooth_pixels

from adafm_jax.data.image import NamedImage
from adafm_jax.models import networks
from adafm_jax.paper import patches, systems
from adafm_jax.paper.variation import Variation
from adafm_jax.train import optim

BASE = parse(model__features=4, model__blocks=1)


def variation(system, **fields):
  two = systems.SYSTEMS[system].two_levels
  levels = {'start': 15, 'end': 75} if two else {'start': 15}
  bends = 2 if system in ('hats', 'poly') else 0
  return Variation(
    **{'task': 'denoise', 'system': system, 'bends': bends, **levels, **fields}
  )


def trained(system):
  """Names of the parameters that the system's stage trains."""
  v = variation(system)
  config, made = systems.configure(BASE, v), systems.SYSTEMS[system]
  network = made.network(config)
  shapes = jax.eval_shape(lambda: networks.init(jax.random.key(0), network))
  rules = made.rules or optim.STAGE_RULES[made.stage]
  labels = optim.label_parameters(shapes, rules)
  found = {'train': set(), 'freeze': set()}
  jax.tree_util.tree_map_with_path(
    lambda path, label: found[label].add(optim.path_name(path)), labels
  )
  return found['train'], found['freeze']


@pytest.mark.parametrize(
  ('system', 'learns', 'keeps'),
  [
    ('basic', 'head/kernel', None),
    ('adafm', 'block_00/adafm_1/kernel', 'block_00/conv_1/kernel'),
    ('scratch', 'block_00/adafm_1/kernel', None),
    ('poly', 'block_00/adafm_1/bend_kernel', 'block_00/adafm_1/kernel'),
    ('batch', 'block_00/norm_1/scale', 'block_00/norm_1/mean'),
    ('dncnn', 'norm_01/shift', 'norm_01/variance'),
    ('instance', 'block_00/norm_1/scale', 'block_00/norm_1/scale_change'),
    ('condin', 'block_00/norm_2/shift_change', 'block_00/norm_2/shift'),
    ('further', 'tail/bias', None),
    ('arcnn_further', 'conv_1/kernel', None),
  ],
)
def test_what_is_trained(system, learns, keeps):
  train, freeze = trained(system)
  assert learns in train
  assert (keeps in freeze) if keeps else not freeze
  if system == 'condin':
    assert all(name.endswith('_change') for name in train)


def test_needs_are_shared():
  """Placement and kernel do not make another basic model."""
  (a,) = systems.SYSTEMS['adafm'].needs(variation('adafm'))
  (b,) = systems.SYSTEMS['adafm'].needs(
    variation('adafm', kernel=5, placement='everywhere')
  )
  assert a == b == variation('basic')
  start, end = systems.SYSTEMS['blend'].needs(variation('blend'))
  assert (start.start, end.start, end.end) == (15, 75, None)


def images(count=3):
  return [
    NamedImage(f'{i}', smooth_pixels(i, 60 + 4 * i, 101)) for i in range(count)
  ]


def test_adabn_measures_the_end_level_again():
  v = variation('adabn')
  config, made = systems.configure(BASE, v), systems.SYSTEMS['adabn']
  network = made.network(config)
  batch = systems.SYSTEMS['batch'].network(config)
  params = networks.init(jax.random.key(0), batch, scale=1.0)
  both = made.begin(config, network, [params])
  found = made.finish(config, network, both, [params], images())
  expected = networks.measure_statistics(
    batch, params, patches.cut(images(), config, 75.0)
  )
  norm = ('block_00', 'norm_1')
  for name in ('mean', 'variance'):
    start, end, wanted = (
      tree[norm[0]][norm[1]][name]
      for tree in (found['start'], found['end'], expected)
    )
    np.testing.assert_allclose(end, wanted, rtol=1e-6)
    assert np.abs(start - end).max() > 1e-3
  np.testing.assert_array_equal(
    found['end']['head']['kernel'], params['head']['kernel']
  )


def test_patches_are_degraded_to_the_level():
  config = parse()
  found = patches.cut(images(), config, 50.0)
  assert {batch.shape for batch in found} == {(2, 48, 48, 3)}
  clean = images()[0].pixels[:48, :48] / 255.0
  assert np.std(found[0][0] - clean) == pytest.approx(50 / 255, rel=0.15)


def test_strengths():
  v = variation('adafm')
  assert [systems.strength(v, x) for x in (15, 40, 75)] == [0, None, 1]
  assert systems.strength(variation('scratch'), 15) == 1
  assert systems.strength(variation('arcnn'), 50) == 0
