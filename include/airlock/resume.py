"""Resume: the hold of a source ends, and the newest revision that passes is published.

A crash after the hold is gone leaves a revision that counts as not judged: the watcher asks for its sync.
"""

from __future__ import annotations

from dataclasses import replace

from airlock import git, hold as holds, judgement, mirror as mirrors, sync
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.sync import Outcome
from airlock.validate.answers import Answers

_LOOKED_AT = 200


def resume(source: Source, state: State, answers: Answers, terms: sync.Terms, *, who: str, why: str) -> Outcome:
    """End the hold and sync; where the newest revision is rejected, publish the newest one that passed since the last
    release.

    Raises ``AirlockError`` as a sync does; the hold is gone then, and the watcher tries again.
    """
    mirror = mirrors.of(state, source)
    with mirror.locked():
        ended = holds.remove(mirror)
    if ended is None:
        message = f"source {source.name} is not on hold"
        return Outcome(source=source.name, result="unchanged", reason="NotOnHold", message=message)
    request = sync.Request(who=who, why=why or "resumed")
    outcome = sync.run(source, state, request, answers, terms)
    good = newest_good(mirror, terms) if outcome.result == "rejected" else None
    if good is None:
        return outcome
    earlier = sync.run(source, state, replace(request, ref=good), answers, terms)
    return replace(earlier, message=f"{earlier.message}; the newest revision was {outcome.message}")


def newest_good(mirror: Mirror, terms: sync.Terms) -> str | None:
    """Return the newest revision of the followed branch that came after every release and passed as things are now."""
    head = mirror.upstream_revision()
    if head is None:
        return None
    circumstances = judgement.circumstances(mirror, terms.policy())
    unreleased = ("rev-list", f"--max-count={_LOOKED_AT}", head, "--not", "--glob=refs/tags/release/*")
    for revision in git.run(mirror.path, *unreleased).text.split():
        verdict = mirror.read_verdict(revision)
        if verdict and verdict.result == "passed" and verdict.is_valid_for(**circumstances):
            return revision
    return None
