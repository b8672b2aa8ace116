"""``AirlockDagBundle``: gives Airflow the immutable tree of one release, and nothing that was not published."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

from airlock import manifest, pointer, source as sources, state as states
from airlock.errors import AirlockError, StateError
from airlock.reporter import Reporter

if TYPE_CHECKING:
    from airlock.replica import Follower

log = logging.getLogger(__name__)
_LOOK_EVERY_S = 60.0


class AirlockDagBundle(BaseDagBundle):
    """A versioned bundle of one source; its kwargs are the fields of ``airlock.source.Source``.

    Without a version it is what is live, and ``refresh`` costs the reading of one small file. With a version it is
    the tree of that revision, made again when it is not on disk, and mended when it is damaged: from the mirror, or on
    a machine that does not have it from the source's release repository. A revision that was never published is
    refused. Before the first release the bundle is an empty folder without a version.
    """

    supports_versioning = True

    def __init__(self, **kwargs: Any) -> None:
        base = {
            key: kwargs.pop(key)
            for key in ("name", "refresh_interval", "version", "view_url_template")
            if key in kwargs
        }
        super().__init__(**base)
        self.source = sources.parse(self.name, kwargs, path=f"bundle {self.name}")
        self.state = states.from_environment(os.environ)
        self._revision = self.version
        self._reporter = Reporter(folder=self.state.enquiry(self.name), bundle=self.name)
        self._looked_at = 0.0
        self._follower: Follower | None = None

    @property
    def path(self) -> Path:
        """The DAG folder of the release that this bundle stands at; the source may have another one by now."""
        trees = self.state.trees(self.name)
        if not self._revision:
            return trees / "empty"
        folder = manifest.subdir(trees / self._revision)
        return trees / self._revision / (self.source.subdir if folder is None else folder)

    def initialize(self) -> None:
        """Make sure that the tree is on disk and as it was published.

        Who follows what is live reads every file once, at its start. A task only compares sizes and times.
        """
        if not self.version:
            if self._is_elsewhere():
                self._fetch()
            self._revision = self._live() or self._revision
            if self._revision is None:
                self._check_first()
        self._provide(thorough=not self.version)
        super().initialize()

    def refresh(self) -> None:
        """Go to what is live now; a tree that is lost from disk is made again, and a damaged one within a minute.

        Where nothing can be read that says what is live, it stays where it is: Airflow takes away the DAGs of a bundle
        without a version, and what was live once never goes back to nothing.

        Only the DAG processor calls it, so here is where it tells a waiting task what it has stored. It does not wait
        for a release repository that is slow or gone.
        """
        if self._is_elsewhere():
            self._follow()
        revision = self._live() or self._revision
        is_due = time.monotonic() - self._looked_at > _LOOK_EVERY_S
        if revision != self._revision or is_due or not self.path.is_dir():
            self._revision = revision
            self._provide()
        if revision:
            self._reporter.report(revision, self.state.trees(self.name) / revision)

    def get_current_version(self) -> BundleVersion | None:
        """Return the revision, ``None`` before the first release."""
        return BundleVersion(version=self._revision) if self._revision else None

    def _is_elsewhere(self) -> bool:
        """Tell whether the mirror is on another machine, so that the release repository says what is live."""
        if not self.source.has_release_repository:
            return False
        mirror = self.state.mirror(self.name)
        return not mirror.exists() and not mirror.with_suffix(pointer.DAMAGED).exists()

    def _live(self) -> str | None:
        return pointer.live(self.state.replica(self.name) if self._is_elsewhere() else self.state.mirror(self.name))

    def _check_first(self) -> None:
        """Raise ``StateError`` where nothing seems to be live, and trees tell that something was: the mirror is gone.

        Airflow tries again with the next refresh, and leaves the DAGs alone until then.
        """
        if manifest.revisions(self.state.trees(self.name)):
            raise StateError(
                f"source {self.name}: what is live cannot be read, and there are trees of earlier releases",
                hint=f"is {self.state.sources} mounted? A sync, or the release repository, brings back what is live",
            )

    def _fetch(self) -> None:
        from airlock import replica

        try:
            replica.fetch(replica.of(self.state, self.source))
        except AirlockError as error:
            log.warning("%s; what is here stays", error)

    def _follow(self) -> None:
        if self._follower is None:
            from airlock import replica

            self._follower = replica.Follower(replica.of(self.state, self.source))
        self._follower.look()

    def _provide(self, *, thorough: bool = False) -> None:
        """Put the tree on disk as it was made, if it is not. The quick way needs neither git nor an import of it."""
        self._looked_at = time.monotonic()
        if self._revision is None:
            self.path.mkdir(parents=True, exist_ok=True)
            return
        place = self.state.trees(self.name) / self._revision
        if manifest.subdir(place) is not None and manifest.damage(place, thorough=thorough) == frozenset():
            return
        from airlock import supply

        try:
            supply.provide(self.state, self.source, self._revision, thorough=thorough)
        except AirlockError:
            log.exception("source %s: the tree of %s cannot be made", self.name, self._revision)
            raise
