"""Tests of the optional packages, where these are installed."""

import importlib.util

import pytest

# `importorskip` would load OpenVINO's telemetry, which forks the process.
openvino = pytest.mark.skipif(
  not importlib.util.find_spec('openvino'),
  reason='the extra openvino is missing',
)
