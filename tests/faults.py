"""Makes a process end badly at any one of its effects: every git command, and every change of the file system.

A test need not know the steps of what it hurts: it hurts the first effect, then the second, until a run gets through.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

from airlock import git
from airlock.errors import AirlockError
from airlock.process import Completed

Way = Literal["kill", "no space", "broken disk"]
_CHANGES = ("rename", "replace", "link", "mkdir", "utime", "unlink")
_ERRORS = {"no space": errno.ENOSPC, "broken disk": errno.EIO}
THROUGH, HURT = 0, 3


def hurt_at_each_effect(way: Way, action: Callable[[], Any], *, first: int = 1, every: int = 1) -> Iterator[int]:
    """Run ``action`` in one process after another, each hurt at one effect later, and yield after each that was hurt.

    A killed process dies right after the effect; in the other ways the effect does not happen and says why. An action
    that gets over the error counts as hurt too. Ends with the first action that had fewer effects. The first that is
    hurt is effect ``first``, then it goes on in steps of ``every``.
    """
    context = multiprocessing.get_context("fork")
    number = first - every
    while True:
        number += every
        child = context.Process(target=_run, args=(way, number, action))
        child.start()
        child.join(120)
        if child.exitcode == THROUGH:
            return
        assert child.exitcode == (-signal.SIGKILL if way == "kill" else HURT), f"effect {number}: {child.exitcode}"
        yield number


class _Injector:
    """Counts effects, and hurts one of them."""

    def __init__(self, way: Way, number: int) -> None:
        self.way, self.number, self.seen = way, number, 0

    def is_it(self) -> bool:
        self.seen += 1
        return self.seen == self.number

    def change(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            if not self.is_it():
                return original(*args, **kwargs)
            if self.way != "kill":
                raise OSError(_ERRORS[self.way], os.strerror(_ERRORS[self.way]), str(args[0]))
            try:
                return original(*args, **kwargs)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        return changed

    def git(self, original: Callable[..., Completed]) -> Callable[..., Completed]:
        def run_process(argv: Any, **kwargs: Any) -> Completed:
            if not self.is_it():
                return original(argv, **kwargs)
            if self.way != "kill":
                text = f"fatal: write error: {os.strerror(_ERRORS[self.way])}"
                return Completed(argv=tuple(argv), status=128, stdout=b"", stderr=text.encode())
            try:
                return original(argv, **kwargs)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        return run_process


def _run(way: Way, number: int, action: Callable[[], Any]) -> None:
    injector = _Injector(way, number)
    git.run_process = injector.git(git.run_process)
    for name in _CHANGES:
        setattr(os, name, injector.change(getattr(os, name)))
    try:
        action()
    except (AirlockError, OSError) as error:
        print(f"effect {number}: {error}", file=sys.stderr)
    os._exit(HURT if injector.seen >= number else THROUGH)
