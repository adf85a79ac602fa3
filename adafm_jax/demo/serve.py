"""Runs the application on a socket."""

from __future__ import annotations

import socket as sockets
from collections.abc import Mapping, Sequence

import uvicorn

from adafm_jax.demo import api
from adafm_jax.demo.site import Served
from adafm_jax.engine import compile_cache
from adafm_jax.errors import UserError

_KEEP_ALIVE_SECONDS = 30


def listen(host: str, port: int) -> sockets.socket:
  """A socket whose port is known, and which lets early visitors wait.

  Args:
    host: address of this machine.
    port: 0 for any that is free.

  Raises:
    UserError: the port is taken, or not allowed.
  """
  socket = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
  socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
  try:
    socket.bind((host, port))
    socket.listen()
  except OSError as error:
    socket.close()
    raise UserError(
      f'Cannot listen on {host}:{port} ({error.strerror}); give another'
      ' --port, or 0 for any.'
    ) from error
  return socket


def run(
  models: Sequence[Served],
  pages: Mapping[str, bytes],
  socket: sockets.socket,
  *,
  hosts: Sequence[str],
) -> None:
  """Serves until it is interrupted.

  Args:
    models: that may be asked for.
    pages: files of the page; none for the API alone.
    socket: from `listen`.
    hosts: names that the server answers to.
  """
  compile_cache.enable()
  config = uvicorn.Config(
    api.make_app(models, pages, hosts=hosts),
    log_level='warning',
    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    # A fuzzer's or a broken client's connections must not fill the memory.
    limit_concurrency=64,
  )
  uvicorn.Server(config).run(sockets=[socket])
