import numpy as np
import pytest
import small_sets

from adafm_jax.data import overlap
from adafm_jax.data.image import Seen, fingerprint
from adafm_jax.errors import UserError


def test_fingerprints_tell_images_apart_and_not_their_forms():
  colour = small_sets.random_pixels(0, 9, 14, 3)
  grey = small_sets.random_pixels(1, 9, 14, 1)
  found = fingerprint(colour)
  assert found == fingerprint(colour[::1].copy(order='F'))
  assert fingerprint(grey) == fingerprint(np.repeat(grey, 3, axis=-1))
  other = colour.copy()
  other[4, 7] = 255 - other[4, 7]
  assert found != fingerprint(other)
  assert fingerprint(grey) != fingerprint(grey.reshape(14, 9, 1))


def _refuse(train, **sets):
  overlap.refuse(train, sets, field='tfds:bsds/train')


def test_images_learnt_from_are_refused_by_their_pixels():
  train = [Seen('a', '1'), Seen('b', '2')]
  _refuse(train, mine=[Seen('a', '3'), Seen('c', '4')])  # a name says nothing
  with pytest.raises(UserError) as caught:
    _refuse(
      train, mine=[Seen('x', '2'), Seen('y', '3')], other=[Seen('z', '1')]
    )
  problems = zip(caught.value.problems, ('mine', 'other'), 'xz', strict=True)
  for problem, name, image in problems:
    assert problem.startswith('1 image')
    assert f'set {name} ' in problem
    assert f'tfds:bsds/train ({image})' in problem


def test_images_of_bsd_are_refused_by_name_as_well():
  train = [Seen('101085', '1'), Seen('2018', '2')]
  for name in ('cbsd68', 'BSD100'):
    with pytest.raises(UserError, match=rf'evaluation set {name} .*\(101085\)'):
      _refuse(train, **{name: [Seen('101085', '7'), Seen('3096', '8')]})


def test_the_photograph_that_set5s_woman_is_cut_from_is_refused():
  train = [Seen('302003', '1'), Seen('2018', '2')]
  woman = [Seen('woman_GT', '9')]
  for name in ('set5', 'Set5'):
    wanted = rf'set {name} .*\(302003\), whole or in part'
    with pytest.raises(UserError, match=wanted):
      _refuse(train, **{name: woman})
  _refuse(train[1:], set5=woman)
  _refuse(train, live1=woman)
