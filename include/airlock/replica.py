"""A copy of a source's release repository: what a machine that does not have the mirror makes trees from.

It is cache. One process writes at a time, under the lock that a mirror has too; a crash leaves locks of git, which the
next writer removes, and at worst a damaged copy, which is made again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from airlock import credentials, folders, git, pointer, rebuild, release, release_repository, scratch
from airlock.errors import AirlockError
from airlock.mirror import Mirror
from airlock.pointer import LIVE
from airlock.process import Background
from airlock.release_repository import RELEASES
from airlock.source import Source
from airlock.state import State
from airlock.tree import COMPOSED

log = logging.getLogger(__name__)

_REFSPECS = (f"+{LIVE}:{LIVE}", f"+{RELEASES}*:{RELEASES}*", f"+{COMPOSED}*:{COMPOSED}*")
# Each fetch adds a pack; git knows when they are too many.
_PACKING = ("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
_FETCH_S = 120
_LOOK_S = 30
_LONGEST_PAUSE_S = 120.0


def of(state: State, source: Source) -> Mirror:
    """Return the copy as a repository whose releases can be read as those of a mirror."""
    return Mirror(path=state.replica(source.name), source=source)


def fetch(replica: Mirror) -> None:
    """Bring the copy up to date; one that is damaged is made again.

    Raises ``UpstreamError``, ``CommandTimeout``, ``ConfigError`` and ``StateError``.
    """
    with _locked(replica):
        _fetch(replica)


def fetch_revision(replica: Mirror, revision: str) -> None:
    """Do as `fetch` does, unless another process has brought the revision by the time that the lock is free."""
    with _locked(replica):
        if not release.is_published(replica, revision):
            _fetch(replica)


def renew(replica: Mirror) -> None:
    """Make a copy that turned out to be damaged again; raises as `fetch` does, and leaves it as it is then."""
    with _locked(replica):
        _make_again(replica)


@contextmanager
def _locked(replica: Mirror) -> Iterator[None]:
    if replica.path.exists() and not replica.exists():
        _remove(replica)  # somebody is deleting the cache: it comes into being with its HEAD
    with replica.alone():
        yield


def _fetch(replica: Mirror) -> None:
    source = replica.source
    with credentials.release_access(source) as access:
        try:
            release_repository.fetch(replica.path, source, access, *_REFSPECS, timeout_s=_FETCH_S)
        except AirlockError as error:
            if error.reason != "MirrorDamaged" and git.run(replica.path, "for-each-ref", check=False).status == 0:
                raise
            log.warning("%s; the copy is made again", error.message)
            _make_again(replica)
            return
    git.run(replica.path, *_PACKING, timeout_s=_FETCH_S)


def _make_again(replica: Mirror) -> None:
    """Fetch all anew beside the copy, which tells what is live until then. A crash leaves one or the other."""
    with scratch.directory(replica.path.with_name(git.STAGING)) as place:
        fresh = place / replica.path.name
        git.init_bare(fresh)
        with credentials.release_access(replica.source) as access:
            release_repository.fetch(fresh, replica.source, access, *_REFSPECS, timeout_s=_FETCH_S)
        rebuild.swap(replica, fresh, grave=place)
        with suppress(OSError):  # else the next swap removes it
            replica.path.with_suffix(pointer.DAMAGED).rename(place / "replaced")


def _remove(replica: Mirror) -> None:
    with scratch.directory(replica.path.with_name(git.STAGING)) as grave, suppress(FileNotFoundError):
        replica.path.rename(grave / replica.path.name)
        folders.remove(grave / replica.path.name)


class Follower:
    """Keeps the copy up to date for a process that must not wait for a server that is slow or gone.

    ``look`` is called often. It asks the server what is live at the source's poll interval, without waiting for the
    answer, and fetches when there is something new. While the server does not answer it is asked less and less often,
    at least every two minutes, what was there stays, and the log tells once.
    """

    def __init__(self, replica: Mirror) -> None:
        self._replica = replica
        self._asking: Background | None = None
        self._access = ExitStack()
        self._due_at = 0.0
        self._failures = 0

    def look(self) -> None:
        """Ask, take an answer, or do nothing. Raises nothing that ``AirlockError`` stands for."""
        if self._asking is None and time.monotonic() < self._due_at:
            return
        try:
            if self._asking is None:
                self._ask()
                return
            completed = self._asking.completed()
            if completed is None:
                return
            subject = release_repository.subject_of(self._replica.source)
            live = git.check_upstream(completed, subject=subject, command="ls-remote").text.partition("\t")[0]
            if live and live != pointer.live(self._replica.path):
                fetch(self._replica)
            if self._failures:
                log.info("%s answers again", subject)
            self._rest(0)
        except AirlockError as error:
            if not self._failures:
                log.warning("%s; what is here stays, and the server is asked again", error)
            self._rest(self._failures + 1)

    def _ask(self) -> None:
        access = self._access.enter_context(credentials.release_access(self._replica.source))
        self._asking = git.start_upstream("ls-remote", "--", access.url, LIVE, timeout_s=_LOOK_S, env=access.env)

    def _rest(self, failures: int) -> None:
        interval_s = self._replica.source.poll_interval_s
        self._access.close()  # keys and tokens are on disk for as long as git may read them
        self._asking, self._failures = None, failures
        pause_s = min(interval_s * 2 ** min(failures, 10), max(_LONGEST_PAUSE_S, interval_s))
        self._due_at = time.monotonic() + pause_s
