"""Rollback: an earlier release is made live again, as a release of its own, and the source is put on hold.

Nothing is fetched, judged or restarted. Steps, and what a crash after each leaves behind:

1. question: the DAG processor is asked to parse first what the rollback changes, which it minds once that is live.
2. tree: the files of the earlier revision stand on disk; most often they do already.
3. publish: ``live``, the release tag and the hold exist, or none of them.
"""

from __future__ import annotations

from airlock import agreement, confirm, hold as holds, judgement, publication, release as releases, tree
from airlock.errors import UsageError
from airlock.mirror import Mirror
from airlock.outcome import Outcome
from airlock.release import Release
from airlock.state import State
from airlock.verdict import Changes, Verdict, compare


def roll_back(
    mirror: Mirror, state: State, *, who: str, why: str, number: int | None = None, expected: str | None = None
) -> Outcome:
    """Publish an earlier release again and put the source on hold.

    ``number`` is the release to go back to; ``None``: the last one before what is live, or before what an earlier
    rollback went back to. ``expected`` is the revision that has to be live; where it is not any more the outcome's
    reason is ``LostRace``, and nothing was done. Raises ``UsageError`` when there is no such release, and where the
    source has a release repository that cannot be reached ``TransientError``: nothing was done.
    """
    agreement.agree(mirror)
    history = releases.history(mirror)
    live = releases.live_revision(mirror)
    subject = f"source {mirror.source.name}"
    if live is None or not history:
        raise UsageError(f"{subject}: nothing is live yet", hint="publish a release first", reason="NothingLive")
    target = _target(history, live, number, subject)
    if expected is not None and live != expected:
        return _lost(mirror)
    before, verdict = mirror.read_verdict(live), mirror.read_verdict(target.revision)
    affected: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    if verdict:
        affected = publication.affected_files(mirror, verdict, live)
        awaited = publication.awaited_dags(verdict, affected)
        confirm.ask(state.enquiry(mirror.source.name), verdict, awaited, before)
    trees = state.trees(mirror.source.name)
    tree.materialise(mirror.path, target.revision, trees, subdir=target.subdir, previous=live, affected=affected)
    changes = _changes(before, verdict)
    hold = holds.new(who, why or f"rolled back to release {target.number}")
    lock = publication.lock_digest(state)
    with mirror.locked():
        release = releases.publish_again(mirror, target, expected=live, hold=hold, changes=changes, lock=lock)
    if release is None:
        return _lost(mirror)
    return Outcome(
        source=mirror.source.name,
        result="published",
        reason="RolledBack",
        message=f"release {release.number} is live, which is release {target.number} again; the source is on hold"
        f"{_doubt(verdict)}",
        revision=target.revision,
        release=release.number,
        awaited=awaited,
        changes=changes.lines,
    )


def _target(history: list[Release], live: str, number: int | None, subject: str) -> Release:
    by_number = {release.number: release for release in history}
    if number is None:
        base = history[0]
        while base.of in by_number:
            base = by_number[base.of]
        earlier = (one for one in history if one.number < base.number and one.revision not in (live, base.revision))
        if target := next(earlier, None):
            return target
        raise UsageError(
            f"{subject}: there is no release before what is live",
            hint="airlock history lists the releases; airlock hold stops publishing",
            reason="NoSuchRelease",
        )
    if number not in by_number:
        raise UsageError(
            f"{subject}: there is no release {number}",
            hint=f"airlock history lists them; the newest is {history[0].number}. A revision that was never a release "
            "is published with airlock sync --ref",
            reason="NoSuchRelease",
        )
    if by_number[number].revision == live:
        raise UsageError(
            f"{subject}: release {number} is what is live", hint="airlock hold keeps it there", reason="AlreadyLive"
        )
    return by_number[number]


def _changes(before: Verdict | None, after: Verdict | None) -> Changes:
    if before and after:
        return compare(before, after)
    return Changes(lines=("? what changes in DAG terms is not known: a verdict is missing or of another Airlock",))


def _doubt(verdict: Verdict | None) -> str:
    if verdict is None:
        return "; its verdict cannot be read any more"
    if verdict.result != "passed":
        return f"; judged again since, it is {verdict.result}"
    if verdict.environment != judgement.environment_digest():
        return "; it was judged in another environment"
    return ""


def _lost(mirror: Mirror) -> Outcome:
    message = "another release was published meanwhile"
    return Outcome(source=mirror.source.name, result="unchanged", reason="LostRace", message=message)
