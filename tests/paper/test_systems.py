"""What each system trains, starts from and measures."""

import functools
import pathlib

import jax
import numpy as np
import pytest
from small_configs import parse
from small_sets import smooth_pixels

from adafm_jax.data import prepared
from adafm_jax.data.image import NamedImage
from adafm_jax.errors import UserError
from adafm_jax.models import networks
from adafm_jax.paper import learn, patches, systems
from adafm_jax.paper.variation import Variation
from adafm_jax.train import optim, sets
from adafm_jax.train.images import Training

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
    ('batch_tuned', 'block_00/adafm_2/bias', 'block_00/conv_2/bias'),
    ('sft', 'block_00/sft_1/change/kernel', 'block_00/conv_1/kernel'),
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


def begun(system, parent):
  """What a system computes before it learns, and its parent: (f, g)."""
  v = variation(system)
  config, made = systems.configure(BASE, v), systems.SYSTEMS[system]
  network = made.network(config)
  before = systems.SYSTEMS[parent].network(config)
  weights = networks.init(jax.random.key(1), before, scale=1.0)
  rng = np.random.default_rng(2)
  weights = jax.tree.map(
    lambda x: x + rng.uniform(0.05, 0.3, x.shape).astype('f4'), weights
  )
  params = made.begin(config, network, [weights])
  image = images(1)[0].pixels[None, :32, :36] / np.float32(255)
  return (
    lambda strength: networks.make_apply(network)(params, image, strength),
    networks.make_apply(before)(weights, image, 0.0),
  )


def test_batch_norm_is_tuned_from_the_network_that_has_it():
  apply, parent = begun('batch_tuned', 'batch')
  for strength in (0.0, 1.0):  # nothing is learnt yet
    np.testing.assert_allclose(apply(strength), parent, rtol=1e-4, atol=1e-4)
  with pytest.raises(UserError, match='batch_tuned has kernel 1'):
    systems.check(variation('batch_tuned', kernel=3))


def test_sft_layers_begin_with_the_basic_model():
  apply, parent = begun('sft', 'basic')
  np.testing.assert_array_equal(apply(0.0), parent)
  np.testing.assert_array_equal(apply(1.0), parent)


def split(name, **index):
  """A split of a prepared set, of which only the index exists."""
  entry = {'name': 'a', 'path': 'a.png', 'height': 40, 'width': 790}
  entry |= dict.fromkeys(('sha256', 'pixels', 'luma'), '00')
  values = {'side': 0, 'step': 0, 'task': '', 'levels': [], 'channels': 3}
  values |= {'format': prepared.FORMAT, 'splits': {'train': [entry]}, **index}
  where = pathlib.Path(name) / '1.0.0'
  return prepared.Split(where, values, 'train')


def test_tasks_may_learn_from_different_prepared_sets(tmp_path):
  """One workdir, three channels: the images are not those of the other task."""
  config = parse(data__placement='device')
  basic = systems.SYSTEMS['basic']

  def place(train):
    data = sets.Data(Training(train, [], train.seen(), []), {})
    return learn.place(config, basic, data, tmp_path)

  noise = split('div2k')
  assert place(noise) == 'device'
  levels = {'task': 'sr', 'levels': [3.0, 4.0]}
  assert place(split('div2k_sr_rgb', **levels)) == 'device'
  with pytest.raises(UserError, match='have changed'):
    place(split('div2k', side=20, step=20))


def test_sub_images_are_on_the_grid_that_patches_need(tmp_path):
  config = parse(data__placement='device')

  def place(system, **index):
    train = split('div2k', side=480, **index)
    data = sets.Data(Training(train, [], train.seen(), []), {})
    made = systems.SYSTEMS[system]
    return learn.place(config, made, data, tmp_path / str(index))

  for index in ({'step': 250}, {'step': 240, 'format': 1}):
    assert place('basic', **index) == 'device'
    with pytest.raises(UserError, match=r'multiples of 4 .* --overwrite'):
      place('srresnet', **index)
  assert place('srresnet', step=240) == 'device'


def test_images_of_all_variations_are_read_once():
  """Of a prepared set each pair of levels is another config."""
  pixels = {name: [x] for name, x in zip('abc', images(), strict=True)}
  asked = []

  @functools.cache
  def read(source, **_):
    asked.append(source)
    return pixels[source]

  loaded = [
    sets.load(
      parse(
        data__train='a',
        data__heldout='b',
        evaluate__sets='c=c',
        evaluate__ssim=False,
        train__patch=16,
        adapt__patch=16,
        end=end,
      ),
      read,
    )
    for end in (50.0, 75.0)
  ]
  assert asked == ['a', 'b', 'c']
  for one in loaded:
    assert one.learnt.train[0].pixels is pixels['a'][0].pixels
    assert one.sets == {'heldout': pixels['b'], 'c': pixels['c']}


def test_patches_are_degraded_to_the_level():
  found = patches.cut(images(), parse(train__patch=32), 50.0)
  # Of the smallest image, 60 x 101: three patches, and as many of the others.
  assert [batch.shape for batch in found] == [(3, 32, 32, 3)] * 3
  for one, image in zip(found[0], images(), strict=True):  # of every image
    clean = image.pixels[:32, :32] / 255.0
    assert np.std(one - clean) == pytest.approx(50 / 255, rel=0.15)
  (batch,) = patches.cut(images(), parse(train__patch=96), 50.0)
  assert batch.shape == (3, 60, 60, 3)


def test_strengths():
  v = variation('adafm')
  assert [systems.strength(v, x) for x in (15, 40, 75)] == [0, None, 1]
  assert systems.strength(variation('scratch'), 15) == 1
  assert systems.strength(variation('arcnn'), 50) == 0
