"""What is counted and timed, through Airflow's own stats (StatsD, OpenTelemetry), where they are switched on.

Each metric has tags. As Airflow's own, it is sent a second time under a name that ends in the values of the tags while
``[metrics] legacy_names_on`` is set: a plain StatsD has no tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from airlock import release as releases
from airlock.confirm import Confirmation
from airlock.mirror import Mirror
from airlock.verdict import Verdict

Tags = dict[str, str]


def synced(mirror: Mirror, result: str, verdict: Verdict | None, duration_s: float) -> None:
    """Count one sync, how long it took, the findings of its verdict by rule, and how old live is."""
    source = mirror.source.name
    _count("airlock.sync", 1, {"source": source, "result": result})
    _time("airlock.sync.duration", duration_s, {"source": source})
    found = Counter(finding.rule for finding in verdict.findings) if verdict else Counter()
    for rule, count in found.items():
        _count("airlock.findings", count, {"source": source, "rule": rule})
    newest = releases.history(mirror, limit=1)
    if newest:
        age = datetime.now(UTC) - datetime.fromisoformat(newest[0].published_at)
        _set("airlock.live.age", age.total_seconds(), {"source": source})


def confirmed(source: str, confirmation: Confirmation, asked_at: datetime | None) -> None:
    """Tell how long a release took until Airflow had it: from its publish, and from when its sync was asked for.

    ``asked_at`` is ``None`` where this is not the run that published it.
    """
    _time("airlock.publish_to_live", confirmation.publish_to_live_s, {"source": source})
    if asked_at:
        waited = datetime.fromisoformat(confirmation.live_at) - asked_at
        _time("airlock.push_to_live", waited.total_seconds(), {"source": source})


def troubled(source: str, kind: str, *, is_so: bool) -> None:
    """Tell whether the watchdog sees a kind of trouble."""
    _set("airlock.trouble", int(is_so), {"source": source, "kind": kind})


def _count(name: str, count: int, tags: Tags) -> None:
    from airflow.sdk.observability import stats

    for one, with_tags in _names(name, tags):
        stats.incr(one, count, tags=with_tags)


def _time(name: str, duration_s: float, tags: Tags) -> None:
    from airflow.sdk.observability import stats

    for one, with_tags in _names(name, tags):
        stats.timing(one, duration_s * 1000, tags=with_tags)


def _set(name: str, value: float, tags: Tags) -> None:
    from airflow.sdk.observability import stats

    for one, with_tags in _names(name, tags):
        stats.gauge(one, value, tags=with_tags)


def _names(name: str, tags: Tags) -> Iterator[tuple[str, Tags]]:
    from airflow.configuration import conf

    yield name, tags
    if conf.getboolean("metrics", "legacy_names_on", fallback=True):
        yield ".".join((name, *tags.values())), {}
