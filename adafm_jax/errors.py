"""User mistakes: one exception type, which entry points print as a sentence."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ParamSpec

P = ParamSpec('P')

# argparse exits with this code after a wrong call.
EXIT_SOME_FAILED, EXIT_USER_ERROR = 1, 2
_CONTROLS = {
  code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160))
}
# As a shell reports a program that SIGPIPE ended.
EXIT_UNREAD = 141


class UserError(ValueError):
  """A mistake the user can correct: what is wrong, where, what would be right.

  It is a ValueError, so that library callers need not know this type.

  Attributes:
    problems: one complete sentence for each mistake.
  """

  def __init__(self, problems: str | Sequence[str]):
    self.problems = [problems] if isinstance(problems, str) else list(problems)
    super().__init__('\n'.join(self.problems))


def raise_all(problems: Iterable[str], limit: int = 20) -> None:
  """Raises one `UserError` with all problems, if there are any.

  Args:
    problems: one sentence each.
    limit: show at most this many, so that the first stays on the screen.
  """
  if shown := first(list(problems), limit):
    raise UserError(shown)


def first(problems: Sequence[str], limit: int = 20) -> list[str]:
  """The first sentences, and one that counts the rest; see `raise_all`."""
  shown = list(problems[:limit])
  if (more := len(problems) - limit) > 0:
    shown.append(f'There are {more} more of these.')
  return shown


def listed(names: Sequence[str], limit: int = 5) -> str:
  """Names for a sentence, cut after `limit`: 'a, b, c, d, e, ...'."""
  return ', '.join([*names[:limit], *['...'] * (len(names) > limit)])


def one_line(text: str) -> str:
  """A text that stays on its line of a terminal, whatever names are in it.

  File names may hold line feeds and the codes that steer a terminal.
  """
  return text.translate(_CONTROLS)


def show(problems: Iterable[str]) -> None:
  """Prints sentences to stderr, a line each."""
  for problem in problems:
    print(f'error: {one_line(problem)}', file=sys.stderr)


def entry_point(main: Callable[P, int | None]) -> Callable[P, int]:
  """Turns `UserError`, Ctrl-C and a closed pipe into a message and exit code.

  What stops because nobody reads its output may have work undone, so that is
  never exit code 0; see `going_on_unread`.

  Args:
    main: a command's main function; None counts as exit code 0.

  Returns:
    The same function returning an exit code: 2 after a user's mistake or where
    the system refuses a file, 130 after Ctrl-C, 141 if nobody reads its output
    any more. Any other exception is a bug and keeps its traceback.
  """

  @functools.wraps(main)
  def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
    try:
      return main(*args, **kwargs) or 0
    except UserError as error:
      show(error.problems)
      return EXIT_USER_ERROR
    except KeyboardInterrupt:
      print('interrupted', file=sys.stderr)
      return 130
    except BrokenPipeError:  # e.g. `adafm info model | head`
      for stream in (sys.stdout, sys.stderr):
        _Unbroken(stream).flush()  # else Python does, and complains
      return EXIT_UNREAD
    except OSError as error:
      if error.filename is None:
        raise
      show([f'Cannot use {error.filename}: {error.strerror}.'])
      return EXIT_USER_ERROR

  return wrapped


@contextlib.contextmanager
def going_on_unread() -> Iterator[None]:
  """Within it, output that nobody reads any more goes nowhere.

  So a long job is done though its lines go to `head -1`.
  """
  out, err = _Unbroken(sys.stdout), _Unbroken(sys.stderr)
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    yield


class _Unbroken:
  """A stream whose reader may leave."""

  def __init__(self, stream: Any):
    self._stream = stream

  def write(self, text: str) -> int:
    try:
      return self._stream.write(text)
    except BrokenPipeError:
      _silence(self._stream)
      return len(text)

  def flush(self) -> None:
    try:
      self._stream.flush()
    except BrokenPipeError:
      _silence(self._stream)

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)


def _silence(stream: Any) -> None:
  """Lets what is still written to a stream with a file go nowhere."""
  nowhere = os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, stream.fileno())
  os.close(nowhere)
