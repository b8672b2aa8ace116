"""One run of the lockfile DAG: look at the environment, make its lockfile, publish it when it is another one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from airlock import project
from airlock.errors import AirlockError, OperatorError, StateError
from airlock.lockfile import artifact, current, distributions, folder, store
from airlock.lockfile.artifact import Artifact
from airlock.lockfile.manifest import Manifest, Problem
from airlock.state import State

# For every other reason a person has to do something, and the run says so in red.
_PASSING = "IndexUnreachable"

BUILT = project.ROOT / "lock"
"""Where the build of a container image leaves the lockfile of what it installed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did. ``changes`` has a line for each distribution that differs from what was published before."""

    commit: str
    is_new: bool
    manifest: Manifest
    changes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the outcome as a small document."""
        problem = self.manifest.problem
        return {
            "result": "published" if self.is_new else "unchanged",
            "complete": self.manifest.is_complete,
            "reason": problem.reason if problem else None,
            "commit": self.commit,
            "environment": self.manifest.environment,
            "lock_sha256": self.manifest.files.get(artifact.PYLOCK),
            "python": self.manifest.python,
            "airflow": self.manifest.airflow,
            "packages": len(self.manifest.distributions),
            "changes": list(self.changes),
        }


def publish(state: State, *, make: Callable[[Artifact | None], Artifact] = current.make) -> Outcome:
    """Publish the lockfile of this environment in the deployment ``state`` unless it is published already.

    Raises ``TransientError`` (``PublishedMeanwhile``) when another process was faster; running again is right then.
    """
    expected = store.commit_of(state.environment)
    before = _readable(state) if expected else None
    made = make(_fitting(before))
    changes = store.changes(before.manifest if before else None, made.manifest)
    commit = store.publish(state.environment, made, expected=expected, changes=changes)
    outcome = Outcome(commit=commit, is_new=commit != expected, manifest=made.manifest, changes=changes)
    _tell(outcome)
    return outcome


def is_passing(problem: Problem | None) -> bool:
    """Tell whether ``problem`` goes away by itself: nobody has to act, and trying again later may succeed."""
    return problem is not None and problem.reason == _PASSING


def require_complete(outcome: Outcome) -> None:
    """Return when there is a lock, or when nobody can do anything about its absence now.

    Raises ``OperatorError`` with the reason that the manifest gives otherwise. What is true about the environment, its
    constraints and its manifest, is published by then.
    """
    problem = outcome.manifest.problem
    if problem is not None and not is_passing(problem):
        raise OperatorError(
            f"no pylock.toml and requirements.txt for this environment: {problem.message}",
            hint=problem.hint,
            reason=problem.reason,
        )


def _fitting(published: Artifact | None) -> Artifact | None:
    """Return the lockfile that is worth verifying: the published one, or the one that was made with the image.

    The image's needs no package index at run time.
    """
    if published and published.manifest.is_complete and published.manifest.environment == distributions.digest():
        return published
    try:
        return folder.read(BUILT)
    except AirlockError:
        return published


def _readable(state: State) -> Artifact | None:
    try:
        published = store.read(state.environment)
    except StateError as error:
        _log.warning("what is published cannot be used, it is made anew: %s", error)
        return None
    return published.artifact if published else None


def _tell(outcome: Outcome) -> None:
    manifest = outcome.manifest
    _log.info(
        "%s: Python %s, Airflow %s, %d packages, commit %s",
        "published" if outcome.is_new else "unchanged",
        manifest.python,
        manifest.airflow or "none",
        len(manifest.distributions),
        outcome.commit[:12],
    )
    for line in outcome.changes:
        _log.info("%s", line)
    for name, why in manifest.not_reproducible.items():
        _log.warning("%s: %s", name, why)
    if manifest.problem is not None:
        _log.warning("only constraints and manifest (%s): %s", manifest.problem.reason, manifest.problem.message)
        _log.warning("hint: %s", manifest.problem.hint)
