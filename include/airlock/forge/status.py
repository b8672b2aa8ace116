"""What a commit status says: one line for each state that a revision can be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airlock.approval import Question

State = Literal["pending", "success", "failure", "error"]
_LONGEST = 140  # GitHub's limit, the lowest of the three


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of one commit. ``context`` tells it from other statuses; ``url`` is where a click on it leads."""

    revision: str
    state: State
    description: str
    context: str
    url: str = ""


def judged(outcome: Mapping[str, Any], url: str) -> Status | None:
    """Return the status after a sync, ``None`` when it decided nothing about a revision.

    A release is pending here: it succeeds once Airflow has it.
    """
    findings = outcome["findings"]
    if not outcome["revision"]:
        return None
    if outcome["result"] == "rejected":
        more = f"{_counted(findings)}: {findings[0]}" if findings else outcome["message"]
        return _status(outcome, "failure", f"Rejected, {more}", url)
    if outcome["result"] == "waiting":
        return _status(outcome, "pending", f"Passed with {_counted(findings)}, waits: {outcome['reason']}", url)
    if outcome["result"] == "published":
        return _status(outcome, "pending", f"Passed with {_counted(findings)}, on its way into Airflow", url)
    return None


def live(outcome: Mapping[str, Any], url: str) -> Status:
    """Return the status of a revision that Airflow has."""
    return _status(outcome, "success", f"Live as release {outcome['release']}", url)


def superseded(outcome: Mapping[str, Any], url: str) -> Status:
    """Return the status of a release that another one followed before Airflow had it."""
    return _status(outcome, "success", f"Passed; release {outcome['release']} was followed by another at once", url)


def refused(source: str, question: Question, url: str) -> Status:
    """Return the status of a revision that a person did not let go live, or about which nobody answered."""
    why = f"by {question.who}" if question.who else "in time"
    return _status({"source": source, "revision": question.revision}, "failure", f"Passed, and not approved {why}", url)


def withdrawn(outcome: Mapping[str, Any], url: str) -> Status:
    """Return the status of a release that is worse in Airflow than it was judged."""
    return _status(outcome, "failure", "Passed, but Airflow cannot import it: see the log of the run", url)


def failed(outcome: Mapping[str, Any], reason: str, url: str) -> Status:
    """Return the status of a revision with which something went wrong that is not its fault."""
    return _status(outcome, "error", f"{reason}: no fault of this revision, see the log of the run", url)


def _status(outcome: Mapping[str, Any], state: State, text: str, url: str) -> Status:
    line = " ".join(text.split())
    description = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
    return Status(
        revision=outcome["revision"],
        state=state,
        description=description,
        context=f"airlock/{outcome['source']}",
        url=url,
    )


def _counted(findings: list[str]) -> str:
    return "1 finding" if len(findings) == 1 else f"{len(findings) or 'no'} findings"
