"""The optimizer: Adam or Muon, a schedule, and the freeze rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from adafm_jax.config.stages import StageConfig
from adafm_jax.models import restorer

# (label, pattern) pairs. The first pattern that matches a parameter's whole
# path gives its label: 'train' or 'freeze'.
Rules = Sequence[tuple[str, str]]
STAGE_RULES: dict[str, Rules] = {
  'basic': (('train', restorer.BACKBONE_PARAMETERS),),
  'adapt': (
    ('train', restorer.ADAFM_PARAMETERS),
    ('freeze', restorer.BACKBONE_PARAMETERS),
  ),
  'path': (
    ('train', restorer.BEND_PARAMETERS),
    ('freeze', restorer.ADAFM_PARAMETERS),
    ('freeze', restorer.BACKBONE_PARAMETERS),
  ),
  'joint': (('train', '.*'),),
}


def path_name(path: tuple[Any, ...]) -> str:
  """A tree path as 'block_00/conv_1/kernel'."""
  return '/'.join(entry.key for entry in path)


def label_parameters(params: restorer.Params, rules: Rules) -> Any:
  """Labels every parameter by the first rule that matches its whole path.

  Args:
    params: parameters, or their shapes.
    rules: (label, pattern) pairs.

  Returns:
    A tree of labels shaped like `params`.

  Raises:
    ValueError: a parameter matches no rule, or a rule no parameter.
  """
  used = set()

  def label(path, _):
    name = path_name(path)
    for index, (value, pattern) in enumerate(rules):
      if re.fullmatch(pattern, name):
        used.add(index)
        return value
    raise ValueError(f'No freeze rule covers the parameter {name}.')

  labels = jax.tree_util.tree_map_with_path(label, params)
  for index, (_, pattern) in enumerate(rules):
    if index not in used:
      raise ValueError(f'The freeze rule {pattern!r} matches no parameter.')
  return labels


def schedule(stage: StageConfig) -> optax.Schedule:
  """The learning rate by step; see `StageConfig.schedule`."""
  peak, warmup = stage.learning_rate, stage.warmup
  if stage.schedule == 'cosine':
    main = optax.cosine_decay_schedule(peak, stage.steps - warmup)
  elif stage.schedule == 'trapezoid':
    flat = stage.constant_steps
    fall = optax.linear_schedule(peak, 0.0, stage.steps - flat)
    main = optax.join_schedules(
      [optax.constant_schedule(peak), fall], [flat - warmup]
    )
  elif stage.decay:
    main = optax.exponential_decay(
      peak, stage.decay_every, stage.decay, staircase=True
    )
  else:  # which optax takes for no decay
    main = optax.piecewise_constant_schedule(peak, {stage.decay_every: 0.0})
  if not warmup:
    return main
  rise = optax.linear_schedule(0.0, peak, warmup)
  return optax.join_schedules([rise, main], [warmup])


def make_optimizer(
  stage: StageConfig, labels: Any
) -> optax.GradientTransformation:
  """Adam or Muon on 'train' parameters; 'freeze' ones never move.

  Frozen parameters have no moments, and their updates are zeros. (A bare
  `optax.masked` would pass their gradients through as updates.)
  """
  if stage.optimizer == 'muon':
    learn = _muon(stage)
  else:
    learn = optax.adam(schedule(stage), b2=stage.b2)
  rules = {'train': promoting(learn), 'freeze': optax.set_to_zero()}
  return optax.partition(rules, labels)


def _muon(stage: StageConfig) -> optax.GradientTransformation:
  """Muon on dense kernels, as matrices [h * w * in, out]; NAdam elsewhere.

  (Also on a grey head, whose kernel has the shape of AdaFM filters.)

  Muon's updates get the root mean square of Adam's, 0.2, so that one learning
  rate serves both (Liu et al. 2025, "Muon is scalable for LLM training").
  """

  def matrices(params):
    conv = optax.contrib.MuonDimensionNumbers((1, 2, 3), 4)
    return jax.tree.map(
      lambda p: conv if jnp.ndim(p) == 5 and p.shape[3] > 1 else None, params
    )

  return _stacking(
    optax.contrib.muon(
      schedule(stage),
      adam_b2=stage.b2,
      muon_weight_dimension_numbers=matrices,
      consistent_rms=0.2,
    )
  )


def _stacking(
  optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Shows an optimizer all arrays of one shape as one, with a leading axis.

  The residual blocks have the same shapes, so Muon's many small matrix products
  become a few batched ones. The optimizer must treat the axis as a batch.
  """

  def stack(tree):
    groups: dict[str, list[jax.Array]] = {}
    for leaf in jax.tree.leaves(tree):
      groups.setdefault(str(jnp.shape(leaf)), []).append(leaf)
    return {name: jnp.stack(leaves) for name, leaves in groups.items()}

  def unstack(stacked, like):
    leaves, structure = jax.tree.flatten(like)
    parts = {name: iter(array) for name, array in stacked.items()}
    ordered = [next(parts[str(jnp.shape(leaf))]) for leaf in leaves]
    return jax.tree.unflatten(structure, ordered)

  def init(params):
    return optimizer.init(stack(params))

  def update(updates, state, params=None):
    stacked, state = optimizer.update(
      stack(updates), state, None if params is None else stack(params)
    )
    return unstack(stacked, updates), state

  return optax.GradientTransformation(init, update)


def promoting(
  optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Lets an update promote types, even under strict promotion.

  Optax raises float decays to the power of an int32 count. JAX's strict
  promotion, which our tests and perhaps a caller turn on, refuses that.
  """

  def update(updates, state, params=None):
    with jax.numpy_dtype_promotion('standard'):
      return optimizer.update(updates, state, params)

  return optax.GradientTransformation(optimizer.init, update)


def stop_frozen(params: restorer.Params, labels: Any) -> restorer.Params:
  """Cuts the gradient of frozen parameters, so that none is computed."""
  return jax.tree.map(
    lambda p, label: jax.lax.stop_gradient(p) if label == 'freeze' else p,
    params,
    labels,
  )


def describe(params: restorer.Params, labels: Any) -> str:
  """One line for the log: how many parameters are trained and frozen."""
  pairs = zip(jax.tree.leaves(params), jax.tree.leaves(labels), strict=True)
  trained = sum(p.size for p, label in pairs if label == 'train')
  total = sum(p.size for p in jax.tree.leaves(params))
  return (
    f'{trained:,} of {total:,} parameters are trained ({trained / total:.2%}),'
    f' {total - trained:,} frozen'
  )
