"""A server that speaks S3, on this machine."""

from __future__ import annotations

import contextlib

import pytest


@contextlib.contextmanager
def serving(monkeypatch, bucket):
  """Serves an empty bucket; PyArrow and child processes find it.

  Yields:
    A boto3 client, for a look from outside.
  """
  server = pytest.importorskip('moto.server', reason='moto is not installed')
  import boto3

  running = server.ThreadedMotoServer('127.0.0.1', 0, verbose=False)
  running.start()
  host, port = running.get_host_and_port()
  for name, value in {
    'AWS_ACCESS_KEY_ID': 'test',
    'AWS_SECRET_ACCESS_KEY': 'test',
    'AWS_DEFAULT_REGION': 'us-east-1',
    'AWS_ENDPOINT_URL': f'http://{host}:{port}',
  }.items():
    monkeypatch.setenv(name, value)
  try:
    client = boto3.client('s3')
    client.create_bucket(Bucket=bucket)
    yield client
  finally:
    running.stop()
