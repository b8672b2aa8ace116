"""Whether the lockfile DAG has something to do: a comparison of what is installed with what is published."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from airlock.errors import StateError
from airlock.lockfile import distributions, publication, store
from airlock.lockfile.manifest import Manifest

_FIRST_PAUSE_S = 600.0
_LONGEST_PAUSE_S = 24 * 3600.0


@dataclass(kw_only=True)
class Watch:
    """One watcher's memory of what it reported last: a difference that stays is not reported each minute.

    The pause doubles with each report about the same installed set, from ten minutes to a day. A service whose
    environment is not the one that tasks run in, or an index that never answers, must not keep the deployment busy.
    """

    repository: Path
    _reported: str = field(default="", init=False)
    _pause_s: float = field(default=_FIRST_PAUSE_S, init=False)
    _next_s: float = field(default=0.0, init=False)
    _known: tuple[str, Manifest] | None = field(default=None, init=False)

    def look(self, now_s: float) -> str | None:
        """Return why the lockfile DAG should run at ``now_s`` (a monotonic clock), ``None`` when it need not.

        Raises ``CommandFailed`` when the repository cannot be asked.
        """
        installed = distributions.digest()
        reason = self._difference(installed)
        if reason is None:
            self._reported = ""
            return None
        if installed != self._reported:
            self._pause_s = _FIRST_PAUSE_S
        elif now_s < self._next_s:
            return None
        else:
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._reported = installed
        self._next_s = now_s + self._pause_s
        return reason

    def _difference(self, installed: str) -> str | None:
        try:
            manifest = self._published()
        except StateError:
            return "LockfileUnreadable"
        if manifest is None:
            return "NotPublished"
        if manifest.environment != installed:
            return "EnvironmentChanged"
        return "LockIncomplete" if publication.is_passing(manifest.problem) else None

    def _published(self) -> Manifest | None:
        commit = store.commit_of(self.repository)
        if commit is None:
            return None
        if self._known is None or self._known[0] != commit:
            published = store.read(self.repository)
            self._known = None if published is None else (published.commit, published.artifact.manifest)
        return self._known[1] if self._known else None
