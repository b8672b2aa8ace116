"""The judgement of a revision by one deployment: on which terms, under which circumstances, beside which DAGs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from airlock import __version__, composition, release as releases, sharing, tree
from airlock.errors import StateError
from airlock.lockfile import distributions
from airlock.mirror import Mirror
from airlock.sharing import Postponed, Shard
from airlock.source import Source
from airlock.state import State
from airlock.validate import judge
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject
from airlock.validate.limits import Limits
from airlock.validate.policy import Policy
from airlock.validate.rules import duplicate_dag_id
from airlock.verdict import Verdict, compare

log = logging.getLogger(__name__)

SYSTEM_DAGS = ("airlock_lockfile", "airlock_housekeeping", "airlock_rehearsal", "airlock_watchdog")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a deployment adds to every judgement: how to read its policy, its limits, who knows a DAG's unfinished runs,
    and who knows the other bundle that has a DAG. ``ask`` puts a question to a person: source, run id, what is
    shown, and whether to ask again what was asked before. ``end`` ends the run of a superseded question. ``shares``
    is whether a judgement may be `Postponed` until other tasks have imported what it needs.
    """

    policy: Callable[[], Policy] = Policy
    limits: Limits = field(default_factory=Limits)
    unfinished: Callable[[str], int] | None = None
    bundle_of: Callable[[str], str | None] | None = None
    ask: Callable[[str, str, Mapping[str, Any], bool], None] | None = None
    end: Callable[[str, str], None] | None = None
    shares: bool = False


def environment_digest() -> str:
    """Return the digest under which verdicts are valid: what is installed, and which Airlock judged."""
    return f"{distributions.digest()}+airlock-{__version__}"


def circumstances(mirror: Mirror, policy: Policy, revision: str | None = None) -> dict[str, str]:
    """Return what a verdict has to have been given under to be that of today: ``Verdict.is_valid_for`` takes it.

    That is the verdict on ``revision``, or on any that was never published.
    """
    subdir = subdir_of(mirror, revision) if revision else mirror.source.subdir
    return {"environment": environment_digest(), "policy": policy.digest, "subdir": subdir}


def subdir_of(mirror: Mirror, revision: str) -> str:
    """Return the folder of a revision that holds its DAG files: that of its release, else the one of the source."""
    released = releases.of_revision(mirror, revision)
    return mirror.source.subdir if released is None or released.subdir is None else released.subdir


def under(mirror: Mirror, policy: Policy) -> dict[str, str]:
    """Return all that has to be as it is for upstream's present revision to need no other sync."""
    return {**circumstances(mirror, policy), "takes": mirror.source.takes}


def is_of(verdict: Verdict | None, today: Mapping[str, str]) -> bool:
    """Tell whether there is a verdict, and it was given under these circumstances."""
    return verdict is not None and all(getattr(verdict, name) == value for name, value in today.items())


def of_revision(
    mirror: Mirror,
    state: State,
    revision: str,
    live: str | None,
    server: ForkServer,
    terms: Terms,
    *,
    force: bool = False,
) -> Verdict:
    """Return the verdict on a revision: the one that is kept, where it is of today and not to be renewed by ``force``.

    It is kept then. Raises ``StateError`` with reason ``SubdirMissing`` when the revision lacks the DAG folder, and
    `Postponed`.
    """
    live_verdict = mirror.read_verdict(live) if live else None
    known = mirror.read_verdict(revision)
    policy = terms.policy()
    composed = tree.composed(mirror.path, revision)
    today = circumstances(mirror, policy, revision)
    owners = _owners(mirror, state)
    is_known = known and known.is_valid_for(**today) and known.tree == composed and not _has_lost(known, owners)
    if known and is_known and not force and _is_parsed_as_today(known, server):
        log.info("revision %s was judged before under the same circumstances; force judges it again", revision)
        return replace(known, changes=compare(live_verdict, known))
    subject = replace(
        _subject(mirror, revision, server),
        owners=owners,
        live=live_verdict,
        policy=policy,
        unfinished=terms.unfinished,
        bundle_of=terms.bundle_of,
    )
    given = partial(sharing.given, state, mirror.source.name)
    look = judge.look(subject, server, cache=state.outcomes, force=force, given=given)
    if terms.shares and 0 < 2 * terms.limits.shard_files <= len(look.files):
        raise Postponed(revision, tuple(look.files))
    verdict = replace(judge.conclude(look, server), tree=composed)
    if revision == live and live_verdict and verdict.result != "passed":
        verdict = verdict.with_dags_of(live_verdict)
    with mirror.locked():
        mirror.write_verdict(verdict)
    log.info("revision %s %s", revision, verdict.summary)
    return verdict


def _is_parsed_as_today(verdict: Verdict, server: ForkServer) -> bool:
    return not verdict.circumstances or verdict.circumstances == server.wait_until_ready().circumstances


def is_of_today(mirror: Mirror, state: State, verdict: Verdict, terms: Terms) -> bool:
    """Tell whether a verdict that was given earlier, and waited, may still be published."""
    today = circumstances(mirror, terms.policy(), verdict.revision)
    return is_of(verdict, today) and not _has_lost(verdict, _owners(mirror, state))


def _has_lost(verdict: Verdict, owners: Mapping[str, str]) -> bool:
    """Tell whether a DAG of a verdict has come to belong to another bundle since, of which the verdict says nothing."""
    told = {finding.rule for finding in (*verdict.findings, *(one.finding for one in verdict.suppressed))}
    return duplicate_dag_id.ID not in told and any(dag.dag_id in owners for dag in verdict.dags)


def of_shard(mirror: Mirror, state: State, shard: Shard, server: ForkServer, *, force: bool) -> str:
    """Import the files of a shard, hand over what came of it, and return what was done, for a person.

    Raises what ``sharing.hand_over`` raises.
    """
    subject = _subject(mirror, shard.revision, server)
    look = judge.look(subject, server, cache=state.outcomes, force=force)
    return sharing.hand_over(look, server, state, shard)


def _subject(mirror: Mirror, revision: str, server: ForkServer) -> Subject:
    root, subdir = server.scratch / revision, subdir_of(mirror, revision)
    tree.check_out(mirror.path, revision, root)
    if not (root / subdir).is_dir():
        raise StateError(
            f"source {mirror.source.name}: revision {revision[:12]} has no directory {subdir!r}",
            hint="set subdir to the folder of the repository that holds the DAG files",
            reason="SubdirMissing",
        )
    return Subject(
        revision=revision,
        root=root,
        subdir=subdir,
        bundle=mirror.source.name,
        environment=environment_digest(),
        left_out=composition.left_out(mirror, revision),
    )


def of_live(mirror: Mirror, state: State, live: str, server: ForkServer, terms: Terms) -> Verdict | None:
    """Return the verdict of today on what is live; ``None`` where it cannot be judged as things are now.

    So it is when another ``subdir`` was set since, and that of live was not recorded.
    """
    verdict = mirror.read_verdict(live)
    if is_of(verdict, circumstances(mirror, terms.policy(), live)):
        return verdict
    try:
        return of_revision(mirror, state, live, live, server, terms)
    except StateError as error:
        log.warning("source %s: live cannot be judged: %s", mirror.source.name, error.message)
        return None


def system_dags(source: str) -> tuple[str, ...]:
    """Return the ids of Airlock's own DAGs for one source."""
    return (f"airlock_sync_{source}", f"airlock_release_{source}", f"airlock_approval_{source}")


def _owners(mirror: Mirror, state: State) -> Mapping[str, str]:
    """Return the DAG ids that belong to other bundles: Airlock's own DAGs, and what other sources have live."""
    owners = dict.fromkeys(SYSTEM_DAGS, "Airlock")
    for other in state.sources.glob("*.git"):
        owners.update(dict.fromkeys(system_dags(other.stem), "Airlock"))
        if other != mirror.path:
            theirs = Mirror(path=other, source=Source(name=other.stem))
            live = releases.live_revision(theirs)
            verdict = theirs.read_verdict(live) if live else None
            owners.update({dag.dag_id: f"source {other.stem}" for dag in verdict.dags} if verdict else {})
    return owners
