"""Where the embedded deployment keeps its own files, below the state directory."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import StateError
from airlock.secret import ADMIN_PASSWORD
from airlock.state import State

_NEEDED_BYTES = 300 * 1024 * 1024
_FULL_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The paths of one embedded deployment. Nothing here is worth a backup: ``airlock.state`` has what is."""

    root: Path

    @property
    def deployment(self) -> Path:
        """What the last ``up`` was asked for; see ``airlock.embedded.deployment``."""
        return self.root / "deployment.json"

    @property
    def airflow(self) -> Path:
        """``AIRFLOW_HOME``: ``airflow.cfg``, the database, the task logs."""
        return self.root / "airflow"

    @property
    def secrets(self) -> Path:
        """Generated once and kept; readable by the owner only."""
        return self.root / "secrets"

    @property
    def password(self) -> Path:
        """The password of the user ``admin``."""
        return self.secrets / ADMIN_PASSWORD

    @property
    def passwords(self) -> Path:
        """The same in the form that the simple auth manager reads."""
        return self.secrets / "passwords.json"

    @property
    def run(self) -> Path:
        """What is true only while the deployment runs."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held (``flock``) by ``up`` and then by the supervisor for as long as it lives."""
        return self.run / "lock"

    @property
    def supervision(self) -> Path:
        """What the supervisor is doing; see ``airlock.embedded.supervision``."""
        return self.run / "supervision.json"

    @property
    def logs(self) -> Path:
        """The output of each component, of bounded size."""
        return self.root / "logs"

    def log(self, component: str) -> Path:
        """The log file of one component."""
        return self.logs / f"{component}.log"

    @property
    def sample_upstream(self) -> Path:
        """The bare repository that stands in for a server when ``up`` is given no repository."""
        return self.root / "sample" / "upstream.git"

    @property
    def sample_clone(self) -> Path:
        """A clone of it, to edit and push from."""
        return self.root / "sample" / "dags"


def of(state: State) -> Layout:
    """Return the layout of the deployment that has this state directory."""
    return Layout(root=Path(os.path.realpath(state.root)))


def prepare(layout: Layout) -> None:
    """Make the folders, and check that the state directory can be used.

    Raises ``StateError`` when it cannot be written to, has too little free space, or has a name that Airflow's
    configuration file or SQLite's address cannot hold.
    """
    _check_name(layout.root)
    try:
        for folder in (layout.root, layout.run, layout.logs):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (layout.airflow, layout.secrets):
            folder.mkdir(mode=0o700, exist_ok=True)
        probe = layout.run / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        free_bytes = shutil.disk_usage(layout.root).free
    except OSError as error:
        raise StateError(
            f"state directory {layout.root} cannot be used: {error.strerror}",
            hint="choose another one with --state DIR, or mend its owner and permissions",
            reason="StateNotWritable",
        ) from error
    if free_bytes < _NEEDED_BYTES:
        raise disk_full(layout.root, free_bytes)


def is_full(layout: Layout) -> bool:
    """Tell whether the disk of a deployment has no room left."""
    return shutil.disk_usage(layout.root).free < _FULL_BYTES


def disk_full(path: Path, free_bytes: int | None = None) -> StateError:
    """Return the error that says that the disk of ``path`` has no room."""
    left = "is full" if free_bytes is None else f"has only {free_bytes // 2**20} MB free"
    return StateError(
        f"the disk of {path} {left}; a deployment needs {_NEEDED_BYTES // 2**20} MB",
        hint="free space there, or choose another place with --state DIR",
        reason="DiskFull",
    )


def _check_name(root: Path) -> None:
    name = str(root)
    if os.path.expandvars(name) != name or any(char in name for char in "?\n\r") or name != name.strip():
        raise StateError(
            f"state directory {name!r}: Airflow's settings cannot hold this path",
            hint="choose one without ?, $VARIABLE, line breaks and outer spaces with --state DIR",
            reason="StateNotUsable",
        )
