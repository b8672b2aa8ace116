"""The release repository of a source: its releases on any git server, for workers that do not see the state.

It has the branch ``live``, the tags ``release/<n>`` and the trees that were composed for them
(``airlock.composition``), the same objects as in the mirror. Upstream's refs, verdicts and the other records stay in
the mirror. Who may write to it decides what workers run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from airlock import git
from airlock.credentials import Access
from airlock.errors import CommandTimeout, OperatorError, StateError, TransientError, UpstreamError
from airlock.pointer import LIVE
from airlock.source import Source
from airlock.tree import COMPOSED

RELEASES = "refs/tags/release/"
PAGE = "docs/kubernetes.md#workers-without-the-state"
_AT_ONCE = 500  # refs of one push: they are arguments
_PUSH_S = 300
_LOOK_S = 60
_UNPUBLISHED = "nothing is published here meanwhile"

Refs = Mapping[str, str]


def subject_of(source: Source) -> str:
    """Return how messages call the release repository of a source."""
    return f"source {source.name}: release repository"


def listed(source: Source, access: Access) -> dict[str, str]:
    """Return the refs of the releases that the repository has, with the objects that they name.

    Raises ``TransientError``.
    """
    arguments = ("ls-remote", "--", access.url, LIVE, f"{RELEASES}*", f"{COMPOSED}*")
    try:
        answer = git.run_upstream(*arguments, subject=subject_of(source), timeout_s=_LOOK_S, env=access.env)
    except (UpstreamError, CommandTimeout) as error:
        raise _out_of_reach(error) from error
    lines = (line.partition("\t") for line in answer.text.splitlines())
    return {name: sha for sha, _, name in lines if not name.endswith("^{}")}


def push(mirror: Path, source: Source, access: Access, refs: Refs, *, expected: Refs) -> None:
    """Set refs of the repository to objects of the mirror, where it has what is ``expected``, all of them or none.

    ``expected`` lacks the refs that must not be there yet. Only of a first push of very many releases may some be
    there while ``live`` is not. Raises ``StateError`` (``ReleasesDiverged``) when the repository has something else,
    ``OperatorError`` (``ReleaseRefused``) when the server does not take it, ``TransientError`` when it is out of reach.
    """
    # A release comes after its tree, and what is live comes last.
    names = sorted(refs, key=lambda name: (name == LIVE, not name.startswith(COMPOSED)))
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        leases = [f"--force-with-lease={name}:{expected.get(name, '')}" for name in part]
        updates = [f"{refs[name]}:{name}" for name in part]
        try:
            git.run_upstream(
                *("push", "--quiet", "--atomic", *leases, "--", access.url, *updates),
                subject=subject_of(source),
                repository=mirror,
                timeout_s=_PUSH_S,
                env=access.env,
            )
        except (UpstreamError, CommandTimeout) as error:
            raise _refusal(error, source, access, expected) from error


def fetch(repository: Path, source: Source, access: Access, *refspecs: str, timeout_s: float) -> None:
    """Bring objects of the repository into another, and refs where the refspecs say so: all of these, or none.

    Raises ``UpstreamError``, ``CommandTimeout``, and ``StateError`` with reason ``MirrorDamaged``.
    """
    git.run_upstream(
        *("fetch", "--quiet", "--atomic", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"),
        *("--", access.url, *refspecs),
        subject=subject_of(source),
        repository=repository,
        timeout_s=timeout_s,
        env=access.env,
    )


def _refusal(
    error: UpstreamError | CommandTimeout, source: Source, access: Access, expected: Refs
) -> OperatorError | TransientError:
    """Return the error that says what a push that failed means for a release."""
    if "stale info" in error.message:
        theirs = listed(source, access)
        return StateError(
            f"{subject_of(source)} has {_told(theirs)}, and this state has {_told(expected)}: another state published "
            f"there; {_UNPUBLISHED}",
            hint=f"the next sync takes over releases that go on from these; otherwise see {PAGE}",
            reason="ReleasesDiverged",
        )
    if re.search(r"\[remote rejected\]|does not support --atomic", error.message):
        return OperatorError(
            f"{error.message}\n{_UNPUBLISHED}",
            hint="the server has to let this account force-push the branch live and make tags release/*",
            reason="ReleaseRefused",
        )
    return _out_of_reach(error)


def _out_of_reach(error: UpstreamError | CommandTimeout) -> TransientError:
    return TransientError(
        f"{error.message}; {_UNPUBLISHED}",
        hint="every release, a rollback too, needs the release repository: check release_url, and that release_conn_id "
        f"may write there; {PAGE} tells what to do in an emergency",
        reason=error.reason,
    )


def _told(refs: Refs) -> str:
    numbers = [int(name.removeprefix(RELEASES)) for name in refs if name.removeprefix(RELEASES).isdecimal()]
    newest = max(numbers, default=0)
    release = f"release {newest} ({refs[f'{RELEASES}{newest}'][:12]})" if newest else "no release"
    return f"{release} and live {refs[LIVE][:12] if LIVE in refs else 'nowhere'}"
