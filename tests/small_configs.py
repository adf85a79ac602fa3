"""Configs of tests, by names such as train__steps=5."""

from adafm_jax.config import parse as configs


def nested(**fields):
  """The fields as a config file has them, in groups."""
  values = {}
  for name, value in fields.items():
    *groups, leaf = name.split('__')
    node = values
    for group in groups:
      node = node.setdefault(group, {})
    node[leaf] = value
  return values


def parse(**fields):
  """The checked config; what is not given has its default."""
  return configs.parse(nested(**fields))
