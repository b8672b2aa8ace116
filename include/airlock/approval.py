"""Approval: a person lets a revision go live to which a guard objects, or does not.

The open question of a source is a record in its mirror; a newer one replaces it. The run of Airflow that asks a person
only answers it. Steps of an approval, and what a crash after each leaves behind:

1. answer: the record says approved; the next sync of the revision publishes it as approved, in its window.
2. publish: ``live`` and the release tag exist, or neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from airlock import release as releases
from airlock.errors import ConfigError
from airlock.guards import Objection
from airlock.mirror import Mirror
from airlock.verdict import Verdict

RECORD = "approval"
ASK = "ask"
VARIABLE = "AIRLOCK_APPROVAL_HOURS"
_MOST_LINES = 50
Answer = Literal["", "approved", "rejected", "timed-out"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """May ``revision`` replace ``live``, though guards object? ``head`` is upstream's branch when it was asked."""

    revision: str
    live: str | None
    head: str
    objections: tuple[str, ...]
    asked_at: str
    why: str
    answer: Answer = ""
    who: str = ""

    @property
    def run_id(self) -> str:
        """The run that asks: the same for the same question, so that it is asked once."""
        asked = "\n".join((self.revision, self.live or "", self.head, *self.objections))
        return f"{self.revision[:12]}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"

    def __str__(self) -> str:
        told = {"": "waits for approval", "approved": "approved by ", "rejected": "rejected by ", "timed-out": "nobody"}
        answered = " answered in time" if self.answer == "timed-out" else self.who
        return f"{self.revision[:12]}: {told[self.answer]}{answered}: {'; '.join(self.objections)}"

    def is_same(self, other: Question) -> bool:
        """Tell whether both ask the same."""
        return self.run_id == other.run_id


def time_out(environ: Mapping[str, str]) -> timedelta:
    """Return how long a question waits for an answer.

    Raises ``ConfigError`` when the setting makes no sense.
    """
    text = environ.get(VARIABLE) or "24"
    try:
        hours = float(text)
        if not 0 < hours <= 24 * 365:
            raise ValueError(text)  # noqa: TRY301
    except ValueError:
        raise ConfigError(f"{VARIABLE}: {text!r} is no number of hours", hint="such as 24, at most a year") from None
    return timedelta(hours=hours)


def of(mirror: Mirror, verdict: Verdict, live: str | None, objections: Sequence[Objection], why: str) -> Question:
    """Return the question about a revision: the one that is recorded, with its answer, or a new one."""
    asked = Question(
        revision=verdict.revision,
        live=live,
        head=mirror.upstream_revision() or "",
        objections=tuple(objection.message for objection in objections),
        asked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        why=why,
    )
    known = read(mirror)
    return known if known and known.is_same(asked) else asked


def read(mirror: Mirror) -> Question | None:
    """Return the question that was asked last, ``None`` when there is none.

    Of a record that an older or newer Airlock wrote, what is known counts; where a part is missing it is asked again.
    """
    record = mirror.read_record(RECORD) or {}
    known = {field.name: record[field.name] for field in fields(Question) if field.name in record}
    if known.get("answer") not in get_args(Answer):
        known.pop("answer", None)
    try:
        return Question(**{**known, "objections": tuple(known["objections"])})
    except (KeyError, TypeError):
        return None


def write(mirror: Mirror, question: Question | None) -> None:
    """Record a question, or that there is none any more. Call it inside ``mirror.locked()``."""
    mirror.write_record(RECORD, asdict(question) if question else None)


def is_current(mirror: Mirror, question: Question) -> bool:
    """Tell whether things still are as they were when it was asked."""
    return (releases.live_revision(mirror), mirror.upstream_revision()) == (question.live, question.head)


def answer(mirror: Mirror, run_id: str, given: Answer, who: str) -> Question | None:
    """Record the answer that the run ``run_id`` brings and return the question as it is then.

    ``None``: it is superseded, and nothing was recorded.
    """
    with mirror.locked():
        question = read(mirror)
        if question is None or question.run_id != run_id or not is_current(mirror, question):
            return None
        answered = replace(question, answer=given, who=who)
        write(mirror, answered)
    return answered


def is_open(mirror: Mirror, run_id: str) -> bool:
    """Tell whether what the run ``run_id`` asks still waits for an answer."""
    question = read(mirror)
    return question is not None and question.run_id == run_id and not question.answer and is_current(mirror, question)


def withdraw(mirror: Mirror, end: Callable[[str, str], None] | None) -> None:
    """Forget the open question if it is superseded, and have the run end that asks it: ``end`` takes source and run id.

    A crash in between leaves a question whose run is ended again by the next sync.
    """
    question = read(mirror)
    if question is None or question.answer or is_current(mirror, question):
        return
    if end:
        end(mirror.source.name, question.run_id)
    with mirror.locked():
        if read(mirror) == question:
            write(mirror, None)


def page(source: str, question: Question, changes: Sequence[str]) -> Mapping[str, Any]:
    """Return what a person is shown, in Markdown, as the ``conf`` of the run that asks."""
    objections = "\n".join(f"* {one}" for one in question.objections)
    told = "\n".join(changes[:_MOST_LINES]) or "no DAG changes"
    more = f"\nand {len(changes) - _MOST_LINES} more" if len(changes) > _MOST_LINES else ""
    return {
        "subject": f"{source}: publish {question.revision[:12]}? {'; '.join(question.objections)}"[:250],
        "body": f"Revision `{question.revision}` passed.\n\n**Objections**\n\n{objections}\n\n"
        f"**Changes of DAGs**\n\n```text\n{told}{more}\n```\n\n"
        "*Approve* publishes exactly this revision; with *Reject*, or without an answer, live stays as it is.",
    }
