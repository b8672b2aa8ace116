"""Heals: a release that is worse in Airflow than its verdict promised is rolled back, and the source put on hold."""

from __future__ import annotations

import logging

from airlock import release as releases, rollback
from airlock.confirm import Regression
from airlock.errors import OperatorError
from airlock.mirror import Mirror
from airlock.state import State
from airlock.sync import Outcome

log = logging.getLogger(__name__)

WHO = "airlock"


def heal(mirror: Mirror, state: State, regression: Regression) -> Outcome | None:
    """Make live again what was live before the release, and return the outcome of that rollback.

    ``None`` when nothing was done: it is the first release, another one has taken over, or it is a rollback itself. A
    rollback is never rolled back, so that it cannot go on for ever.
    """
    history = releases.history(mirror)
    release = next(one for one in history if one.number == regression.release)
    before = next((one for one in history if one.revision == release.previous), None)
    if release.kind == "rollback" or before is None:
        log.error("source %s: release %d stays live: push what mends it", mirror.source.name, release.number)
        return None
    more = f" and {len(regression.faults) - 1} more" if len(regression.faults) > 1 else ""
    outcome = rollback.roll_back(
        mirror,
        state,
        who=WHO,
        why=f"release {release.number} is worse in Airflow than it was judged: {regression.faults[0]}{more}",
        number=before.number,
        expected=regression.revision,
    )
    log.log(logging.WARNING, "%s: %s", outcome.reason, outcome.message)
    return outcome if outcome.result == "published" else None


def error(source: str, regression: Regression, healed: Outcome | None) -> OperatorError:
    """Return the error that tells a regression, and what was done about it."""
    told = "".join(f"\n  {fault}" for fault in regression.faults)
    done = f"\n{healed.message}" if healed else "\nit stays live"
    return OperatorError(
        f"source {source}: release {regression.release} is worse in Airflow than it was judged:{told}{done}",
        hint="something that the file needs is not there for the DAG processor: compare its environment with that of "
        "the workers, mend, push, and then airlock resume",
        reason="WorseThanJudged",
    )
