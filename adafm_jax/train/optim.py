"""The optimizer: Adam, a schedule, and a freeze rule for the adaptation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

from adafm_jax.config import StageConfig
from adafm_jax.models import restorer

# (label, full-match pattern): the first that matches a parameter's path names
# it. 'train' is learnt, 'freeze' is kept.
Rules = Sequence[tuple[str, str]]
STAGE_RULES: dict[str, Rules] = {
  'basic': (('train', restorer.BACKBONE_PARAMETERS),),
  'adapt': (
    ('train', restorer.ADAFM_PARAMETERS),
    ('freeze', restorer.BACKBONE_PARAMETERS),
  ),
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
  """The learning rate by step: the paper's decay in steps, or a cosine."""
  peak, warmup = stage.learning_rate, stage.warmup
  if stage.schedule == 'cosine':
    main = optax.cosine_decay_schedule(peak, stage.steps - warmup)
  else:
    main = optax.exponential_decay(
      peak, stage.decay_every, stage.decay, staircase=True
    )
  if not warmup:
    return main
  rise = optax.linear_schedule(0.0, peak, warmup)
  return optax.join_schedules([rise, main], [warmup])


def make_optimizer(
  stage: StageConfig, labels: Any
) -> optax.GradientTransformation:
  """Adam on 'train' parameters; 'freeze' ones never move.

  Frozen parameters have no moments, and their updates are zeros. (A bare
  `optax.masked` would pass their gradients through as updates.)
  """
  adam = promoting(optax.adam(schedule(stage), b2=stage.b2))
  return optax.partition({'train': adam, 'freeze': optax.set_to_zero()}, labels)


def promoting(
  optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Lets an update promote types, also in a program that forbids it.

  Optax raises float decays to the power of an int32 count, which JAX's strict
  promotion, on in our tests and perhaps in a caller's program, refuses.
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
  """One line for the log: how many weights are learnt and kept."""
  count = {'train': 0, 'freeze': 0}
  jax.tree.map(
    lambda p, label: count.update({label: count[label] + p.size}),
    params,
    labels,
  )
  total = sum(count.values())
  share = count['train'] / total
  return (
    f'{count["train"]:,} of {total:,} parameters are trained ({share:.2%}),'
    f' {count["freeze"]:,} frozen'
  )
