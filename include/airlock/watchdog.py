"""The watchdog of a source: no sync succeeds though one is due, or a release is not in Airflow.

A sync is due while upstream cannot be asked, or has a revision that no sync brought to its end; a rejected revision was
brought to its end. It is due too while syncs fail that are asked for again and again, as in a new environment that
cannot validate. Upstream is asked here, too: the watcher may be what does not work. A quiet repository is well.

Each trouble is remembered in the mirror from the look that found it first, and told once when it lasts, and once when
it is over. Nothing is written while all is well.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from airlock import confirm, enquiry, release as releases, sync, upstream, variant
from airlock.enquiry import Question
from airlock.errors import AirlockError, ConfigError
from airlock.mirror import Mirror, time_of
from airlock.notify.event import Event

VARIABLE = "AIRLOCK_WATCHDOG_MINUTES"
RECORD = "watchdog"
ASKED = "asked-to-confirm"
Kind = Literal["stalled", "not-picked-up"]
KINDS: tuple[Kind, ...] = ("stalled", "not-picked-up")
_DEFAULT_MINUTES = 30
_PICK_UP = timedelta(minutes=10)  # a sync's own tries to confirm its release take that long
_MOST_ASKED = 3
_GAP = timedelta(minutes=35)  # three looks: for longer nobody looked, and the deployment was down
_LATELY = timedelta(minutes=15)  # the watcher asks for a failed sync again after a minute, and it may take ten to fail
_ANSWER_S = 30.0
_OVER = {"stalled": "syncs succeed again", "not-picked-up": "Airflow has what is live"}


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is wrong at this moment; ``reason`` is one CamelCase word, ``text`` says more to a person.

    ``is_retry`` means that upstream is as it was judged, and that syncs of it fail all the same.
    """

    reason: str
    text: str
    revision: str = ""
    release: int | None = None
    is_retry: bool = False


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A trouble as the mirror remembers it: since when, when it was seen last (ISO 8601), whether it was told."""

    since: str
    seen: str
    told: bool = False
    is_retry: bool = False


def limit(environ: Mapping[str, str]) -> timedelta:
    """Return how long a source may be without a sync that succeeds while one is due; zero: it is not watched.

    Raises ``ConfigError`` when the variable is no whole number.
    """
    text = environ.get(VARIABLE) or str(_DEFAULT_MINUTES)
    if not text.isdecimal():
        raise ConfigError(
            f"{VARIABLE}: {text!r} is not a whole number", hint=f"minutes; leave it out for {_DEFAULT_MINUTES}"
        )
    return timedelta(minutes=int(text))


def look(mirror: Mirror, folder: Path, now: datetime, *, answer_s: float = _ANSWER_S) -> dict[Kind, Trouble | None]:
    """Return what is wrong with a source at this moment. ``folder`` is where task and DAG processor meet."""
    return {"stalled": _due(mirror, now), "not-picked-up": _unserved(mirror, folder, now, answer_s)}


def changes(
    mirror: Mirror, found: Mapping[Kind, Trouble | None], now: datetime, longest: timedelta
) -> tuple[list[Event], dict[str, Any] | None]:
    """Return what has to be told after a look, and the record to remember then (``remember``)."""
    before = mirror.read_record(RECORD) or {}
    after: dict[str, Any] = {}
    events = []
    for kind in KINDS:
        trouble, known = found[kind], _seen(before.get(kind))
        if known and kind == "stalled" and _synced_since(mirror, known):
            # One is due again already, as in a busy repository.
            events += [_over(mirror, kind)] if known.told else []
            known = None
        if trouble is None:
            events += [_over(mirror, kind)] if known and known.told else []
            continue
        if known is None or (not known.told and now - datetime.fromisoformat(known.seen) > _GAP):
            known = _Seen(since=now.isoformat(), seen="")
        since = datetime.fromisoformat(known.since)
        is_told = known.told or kind == "not-picked-up" or now - since >= longest
        if is_told and not known.told:
            events.append(_event(mirror, kind, trouble, now - since))
        after[kind] = asdict(_Seen(since=known.since, seen=now.isoformat(), told=is_told, is_retry=trouble.is_retry))
    return events, after or None


def _seen(record: Mapping[str, Any] | None) -> _Seen | None:
    """Return a trouble that was remembered, as far as this Airlock knows it; ``None`` where that is not enough."""
    record = record or {}
    since, seen = time_of(record, "since"), time_of(record, "seen")
    if since is None or seen is None:
        return None
    return _Seen(
        since=since.isoformat(),
        seen=seen.isoformat(),
        told=bool(record.get("told")),
        is_retry=bool(record.get("is_retry")),
    )


def remember(mirror: Mirror, record: Mapping[str, Any] | None) -> None:
    """Record what is about to be told. A crash after it loses a message; none is told twice."""
    if record != mirror.read_record(RECORD):
        with mirror.locked():
            mirror.write_record(RECORD, record)


def ask_to_confirm(mirror: Mirror, now: datetime) -> bool:
    """Have the watcher ask for a sync that confirms what is live, where nobody came to that; tell whether that was due.

    So it is when the task that published it was killed, or its tries to confirm it had ended before the DAG processor
    was there again. Call it when the DAG processor has the release. A release that cannot be confirmed, as one that is
    worse than it was judged and stays live, is not asked for without end.
    """
    newest = next(iter(releases.history(mirror, limit=1)), None)
    if newest is None or confirm.is_confirmed(mirror, newest.number):
        return False
    judged, published = mirror.judged_revision(), datetime.fromisoformat(newest.published_at)
    # A sync of another revision would not come to it: the source is on hold, or a newer one waits.
    if judged is None or variant.upstreams(mirror, newest.revision) != judged or now - published < _PICK_UP:
        return False
    asked = mirror.read_record(ASKED) or {}
    times = asked.get("times") if asked.get("release") == newest.number else 0
    if not isinstance(times, int) or times >= _MOST_ASKED:
        return False
    with mirror.locked():
        mirror.write_record(ASKED, {"release": newest.number, "times": times + 1})
        mirror.forget_judged()
    return True


def _due(mirror: Mirror, now: datetime) -> Trouble | None:
    try:
        revision = upstream.revision(mirror.source)
    except AirlockError as error:
        return Trouble(reason=error.reason, text=error.message)
    judged = mirror.judged_revision()
    if revision is None:
        reason = "RefMissing" if mirror.source.tag else "BranchMissing"
        return Trouble(reason=reason, text=f"upstream has no {mirror.source.follows}")
    last = mirror.read_record(sync.RECORD) or {}
    has_failed = last.get("result") == "error"
    if revision == judged and not (has_failed and _is_asked_again(mirror, last, now)):
        return None
    if has_failed:
        return Trouble(
            reason=last["reason"],
            text=f"the last sync failed: {last['message']}",
            revision=revision,
            is_retry=revision == judged,
        )
    return Trouble(
        reason="SyncMissing",
        text=f"{revision[:12]} is upstream, and no sync has judged it: look at the runs of the DAG "
        f"airlock_sync_{mirror.source.name}, whether it is paused, and at the triggerer",
        revision=revision,
    )


def _is_asked_again(mirror: Mirror, failed: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a sync failed lately, and none of what is followed succeeded since: by hand it is asked for once.

    What was told is not over because nobody tries any more.
    """
    at, judged = time_of(failed, "at"), time_of(mirror.judged_under(), "at")
    if at is None or judged is None or at <= judged:
        return False
    known = _seen((mirror.read_record(RECORD) or {}).get("stalled"))
    is_lately = not failed.get("ref") and now - at <= _LATELY
    return is_lately or bool(known and known.told and known.is_retry)


def _unserved(mirror: Mirror, folder: Path, now: datetime, answer_s: float) -> Trouble | None:
    newest = next(iter(releases.history(mirror, limit=1)), None)
    if newest is None or confirm.is_confirmed(mirror, newest.number):
        return None
    age = now - datetime.fromisoformat(newest.published_at)
    # A young release after one that was not picked up does not end the trouble yet.
    is_young = age < _PICK_UP and "not-picked-up" not in (mirror.read_record(RECORD) or {})
    if is_young or _is_served(folder, newest.revision, answer_s):
        return None
    return Trouble(
        reason="NotPickedUp",
        text=f"release {newest.number} was published {_minutes(age)} ago, and the DAG processor says nothing of it: is "
        "it running, and does it see the same state directory?",
        revision=newest.revision,
        release=newest.number,
    )


def _is_served(folder: Path, revision: str, answer_s: float) -> bool:
    """Ask the DAG processor whether it has a revision, where no confirmation asks already."""
    is_ours = enquiry.asked(folder) is None
    if is_ours:
        enquiry.forget(folder)
        enquiry.ask(folder, Question(revision=revision, dags=()))
    old = enquiry.answered(folder)
    deadline = time.monotonic() + answer_s
    try:
        while time.monotonic() < deadline:
            answer = enquiry.answered(folder)
            if answer and answer.revision == revision and answer != old:
                return True
            time.sleep(0.25)
        return False
    finally:
        if is_ours:
            enquiry.close(folder, revision)


def _synced_since(mirror: Mirror, known: _Seen) -> bool:
    at = time_of(mirror.judged_under(), "at")
    return at is not None and at > datetime.fromisoformat(known.since)


def _event(mirror: Mirror, kind: Kind, trouble: Trouble, lasts: timedelta) -> Event:
    name = mirror.source.name
    head = f"{name}: no sync has succeeded for {_minutes(lasts)}" if kind == "stalled" else f"{name}: not picked up"
    return Event(
        kind=kind,
        source=name,
        revision=trouble.revision,
        release=trouble.release,
        reason=trouble.reason,
        text=f"{head}; what is live stays live: {trouble.text}",
    )


def _over(mirror: Mirror, kind: Kind) -> Event:
    return Event(
        kind="recovered",
        source=mirror.source.name,
        revision=mirror.judged_revision() or "",
        release=None,
        reason="Recovered",
        text=f"{mirror.source.name}: recovered: {_OVER[kind]}",
    )


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)} minutes"
