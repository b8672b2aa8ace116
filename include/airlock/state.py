"""Where a deployment keeps what must survive (git repositories) and what may be deleted at any time (cache)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import ConfigError

VARIABLE = "AIRLOCK_STATE"


@dataclass(frozen=True, kw_only=True)
class State:
    """The state directory. Only ``sources/*.git`` and ``environment.git`` need a backup."""

    root: Path

    @property
    def sources(self) -> Path:
        """The folder that holds one bare repository per source."""
        return self.root / "sources"

    def mirror(self, source: str) -> Path:
        """The bare repository of one source: upstream's refs, ``live``, release tags, verdicts."""
        return self.sources / f"{source}.git"

    @property
    def environment(self) -> Path:
        """The bare repository that holds the lockfile's history."""
        return self.root / "environment.git"

    @property
    def cache(self) -> Path:
        """Everything below it can be deleted at any time, also while the deployment runs."""
        return self.root / "cache"

    @property
    def outcomes(self) -> Path:
        """The outcomes of imports that validation need not repeat while nothing that they depend on changes."""
        return self.cache / "verdicts"

    def shards(self, source: str) -> Path:
        """The folder where tasks hand over what they have imported for a sync, see ``airlock.sharing``."""
        return self.cache / "shards" / source

    def replica(self, source: str) -> Path:
        """The copy of a source's release repository, on a machine that does not have its mirror."""
        return self.cache / "releases" / f"{source}.git"

    def enquiry(self, source: str) -> Path:
        """The folder where a task of a source and the DAG processor meet, see ``airlock.enquiry``."""
        return self.cache / "enquiries" / source

    def trees(self, source: str) -> Path:
        """The immutable trees of one source, one per revision.

        Airflow cleans there too: its ``dag_bundle_storage_path`` is ``cache/bundles``.
        """
        return self.cache / "bundles" / source / "versions"


def from_environment(environ: Mapping[str, str]) -> State:
    """Return the state directory that ``AIRLOCK_STATE`` names.

    Raises ``ConfigError`` when the variable is not set or not an absolute path.
    """
    value = environ.get(VARIABLE, "")
    if not value:
        raise ConfigError(
            f"{VARIABLE} is not set",
            hint="every service of a deployment needs it: the absolute path of the shared state directory",
        )
    if not os.path.isabs(value):
        raise ConfigError(f"{VARIABLE}: {value!r} is not an absolute path", hint="give the path from /")
    return State(root=Path(value))
