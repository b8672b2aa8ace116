"""What a sync is asked to do, and what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Result = Literal["published", "unchanged", "passed", "waiting", "rejected", "error"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a sync is asked to do. An empty ``ref`` means what the source follows.

    ``force`` validates a revision again that has a verdict already; ``dry_run`` validates and publishes nothing.
    """

    ref: str = ""
    force: bool = False
    dry_run: bool = False
    who: str = "airlock"
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a sync did. ``reason`` is one CamelCase word; ``release`` is the number of the release that is live for
    ``revision``.

    ``awaited`` are the DAG ids that Airflow's DAG processor has to show on this revision before it is confirmed.
    ``opens`` is when a revision has to be synced again that waits for its publish window, or was rejected for what goes
    on in Airflow.
    """

    source: str
    result: Result
    reason: str
    message: str
    revision: str | None = None
    release: int | None = None
    awaited: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    opens: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as lists and plain values: Airflow would store a tuple as something else."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
