"""What a deployment allows DAG files while they are judged. A repository has no say in it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from airlock.errors import ConfigError

PREFIX = "AIRLOCK_VALIDATE_"
_EXECUTOR, _WITH_WORKERS = "AIRFLOW__CORE__EXECUTOR", ("CeleryExecutor", "KubernetesExecutor")
_SHARD_FILES = 500  # fewer take less time than the tasks that share them need to start
Network = Literal["refuse", "allow"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one import and of a whole validation; each is set by ``AIRLOCK_VALIDATE_`` and its name.

    ``file_s`` of 0 means Airflow's own ``dag_file_processor_timeout``. ``memory_mb`` and ``processes`` are those of a
    file with all that it starts. ``parallel`` of 0 means one more than there are cores, which a fork keeps busy while
    it is made. A sync that has twice ``shard_files`` to import, or more, shares them among tasks of about that many; 0
    means never.
    """

    file_s: int = 0
    total_s: int = 3600
    memory_mb: int = 2048
    processes: int = 64
    output_mb: int = 64
    parallel: int = 0
    shard_files: int = 0
    network: Network = "refuse"

    @property
    def width(self) -> int:
        """How many files are imported at once."""
        if self.parallel:
            return self.parallel
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cores + 1


def load(environ: Mapping[str, str]) -> Limits:
    """Return the limits that the environment sets; where Airflow's executor has workers, imports are shared by default.

    Raises ``ConfigError`` for an unknown name or a value that makes no sense.
    """
    known = {f"{PREFIX}{field.name.upper()}": field.name for field in fields(Limits)}
    values: dict[str, int | str] = {}
    if any(name in environ.get(_EXECUTOR, "") for name in _WITH_WORKERS):
        values["shard_files"] = _SHARD_FILES
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        if variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            raise ConfigError(
                f"{variable}: there is no such setting",
                hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}",
            )
        values[known[variable]] = (
            _network(variable, value) if known[variable] == "network" else _number(variable, value)
        )
    return Limits(**values)  # type: ignore[arg-type]


def _number(variable: str, value: str) -> int | str:
    smallest = 0 if getattr(Limits(), variable.removeprefix(PREFIX).lower()) == 0 else 1
    if not value.isascii() or not value.isdigit() or int(value) < smallest:
        raise ConfigError(f"{variable}: {value!r} is not a whole number from {smallest} on", hint="give digits only")
    return int(value)


def _network(variable: str, value: str) -> int | str:
    if value not in ("refuse", "allow"):
        raise ConfigError(f"{variable}: {value!r} is neither refuse nor allow", hint="leave it out to refuse")
    return value
