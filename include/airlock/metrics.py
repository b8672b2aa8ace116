"""What is counted and timed, through Airflow's own stats (StatsD, OpenTelemetry), where they are switched on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airlock import release as releases
from airlock.mirror import Mirror
from airlock.verdict import Verdict


def synced(mirror: Mirror, result: str, verdict: Verdict | None, duration_s: float) -> None:
    """Count one sync, how long it took, the findings of its verdict by rule, and how old live is."""
    from airflow.sdk.observability import stats

    tags = {"source": mirror.source.name}
    stats.incr("airlock.sync", tags={**tags, "result": result})
    stats.timing("airlock.sync.duration", duration_s * 1000, tags=tags)
    found = Counter(finding.rule for finding in verdict.findings) if verdict else Counter()
    for rule, count in found.items():
        stats.incr("airlock.findings", count, tags={**tags, "rule": rule})
    newest = releases.history(mirror, limit=1)
    if newest:
        age = datetime.now(UTC) - datetime.fromisoformat(newest[0].published_at)
        stats.gauge("airlock.live.age", age.total_seconds(), tags=tags)


def confirmed(source: str, confirmation: Mapping[str, Any]) -> None:
    """Tell how long a release took from its publish until Airflow had it."""
    from airflow.sdk.observability import stats

    stats.timing("airlock.publish_to_live", confirmation["publish_to_live_s"] * 1000, tags={"source": source})


def troubled(source: str, kind: str, *, is_so: bool) -> None:
    """Tell whether the watchdog sees a kind of trouble."""
    from airflow.sdk.observability import stats

    stats.gauge("airlock.trouble", int(is_so), tags={"source": source, "kind": kind})
