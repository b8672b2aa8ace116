"""The one door to subprocesses: no shell, always a timeout, and errors that say what ran and what it answered."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from airlock.errors import CommandFailed, CommandTimeout, OperatorError

_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.IGNORECASE)
_SECRET = re.compile(r"[a-z][a-z0-9+.-]*://[^/@]*:[^/@]*@|https?://[^/@]{20,}@", re.IGNORECASE)  # a token is that long
_SHOWN_CHARS = 4000


@dataclass(frozen=True, kw_only=True)
class Completed:
    """What a program did: its exit status and both outputs, as bytes."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the final newline."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def redact(text: str) -> str:
    """Return ``text`` with the credentials of every URL in it replaced by ``***``."""
    return _CREDENTIALS.sub(r"\g<scheme>***@", text)


def holds_secret(url: str) -> bool:
    """Return whether a URL has a password, or a token in the place of the user's name."""
    return bool(_SECRET.match(url))


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    check: bool = True,
) -> Completed:
    """Run a program to its end and return what it did.

    ``env`` is the whole environment of the program (``None``: this process's own). The program gets a process group
    of its own, and the whole group is killed when ``timeout_s`` seconds have passed.

    Raises ``CommandFailed`` on another exit status than 0 (unless ``check`` is false), ``CommandTimeout`` after
    ``timeout_s`` seconds, ``OperatorError`` when the program cannot be started.
    """
    words = tuple(os.fspath(word) for word in argv)
    with _start(words, cwd, env, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE) as child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            kill_group(child.pid)
            child.communicate()
            raise _timed_out(words, timeout_s) from None
        except BaseException:
            kill_group(child.pid)
            raise
    completed = Completed(argv=words, status=child.returncode, stdout=stdout, stderr=stderr)
    if check and completed.status != 0:
        raise failure(completed)
    return completed


class Background:
    """A program that runs beside its caller, who never waits for it. It has to be asked for its end now and then.

    ``env`` and the process group are as in ``run``. Raises ``OperatorError`` when the program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str | os.PathLike[str]], *, timeout_s: float, env: Mapping[str, str] | None = None
    ) -> None:
        self._argv = tuple(os.fspath(word) for word in argv)
        self._outputs = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 - they outlive the call
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._child = _start(self._argv, None, env, subprocess.DEVNULL, *self._outputs)

    def completed(self) -> Completed | None:
        """Return what the program did, ``None`` while it runs.

        Raises ``CommandTimeout`` when it has run for ``timeout_s`` seconds; it is killed then.
        """
        status = self._child.poll()
        if status is None and time.monotonic() > self._deadline:
            kill_group(self._child.pid)
            self._child.wait()
            self._close()
            raise _timed_out(self._argv, self._timeout_s)
        if status is None:
            return None
        for output in self._outputs:
            output.seek(0)
        stdout, stderr = (output.read() for output in self._outputs)
        self._close()
        return Completed(argv=self._argv, status=status, stdout=stdout, stderr=stderr)

    def _close(self) -> None:
        for output in self._outputs:
            output.close()


def failure(completed: Completed, *, hint: str = "", reason: str = "") -> CommandFailed:
    """Return the error that tells all about a program that did not succeed, without credentials."""
    outputs = [
        f"{name}: {redact(data.decode('utf-8', 'replace')).strip()[-_SHOWN_CHARS:]}"
        for name, data in (("stdout", completed.stdout), ("stderr", completed.stderr))
        if data.strip()
    ]
    message = "\n".join([f"{_shown(completed.argv)} ended with status {completed.status}", *outputs])
    stderr = redact(completed.stderr.decode("utf-8", "replace")).strip()
    return CommandFailed(message, status=completed.status, stderr=stderr, hint=hint, reason=reason)


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads; one that is gone already is no error."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _start(
    words: tuple[str, ...],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        raise OperatorError(
            f"{words[0]} cannot be started: {error.strerror}",
            hint=f"install {words[0]}, or put it on PATH",
            reason="ProgramMissing",
        ) from error


def _timed_out(words: Sequence[str], timeout_s: float) -> CommandTimeout:
    return CommandTimeout(f"{_shown(words)} was killed: it took more than {timeout_s:g} s")


def _shown(words: Sequence[str]) -> str:
    return redact(" ".join(words))
