"""What a rehearsal found, as data, as JSON for the state, and as a document for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from airlock.rehearsal.packages import Change
from airlock.verdict import Finding, Verdict

REMOVED_API = "deprecated-api"
"""The rule that knows what Airflow removed or will remove."""
_ONLY_DETAILS = ": details of tasks or parameters"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A live DAG that the candidate would not have any more, and the findings that say why."""

    dag_id: str
    file: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Python and Airflow of an image, and whether its lockfile is complete; ``problem`` says why not."""

    python: str
    airflow: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an image does to the DAGs of a revision that is live with another image.

    ``other`` are errors that belong to no live DAG. ``changes`` has a line for each DAG that is another one; ``same``
    names those of which only the serialised form differs. ``removed_api`` are the uses of API that Airflow removed or
    will remove; ``unchecked`` says what could not be found out. ``judged`` is the summary of the verdict.
    """

    broken: tuple[Broken, ...] = ()
    other: tuple[Finding, ...] = ()
    changes: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    removed_api: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    judged: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a candidate image would do to the live revision of a source, and to the packages."""

    source: str
    revision: str
    release: int | None
    image: str
    at: str
    running: Environment
    candidate: Environment
    effect: Effect
    packages: tuple[Change, ...]

    @property
    def is_good(self) -> bool:
        """Whether all that is live works in the candidate."""
        return not self.effect.broken and not self.effect.other

    @property
    def summary(self) -> str:
        """One line for a person."""
        if self.is_good:
            told = "no DAG breaks"
        else:
            names = ", ".join(broken.dag_id for broken in self.effect.broken)
            told = f"{_count(len(self.effect.broken), 'DAG')} would break{f': {names}' if names else ''}"
            if self.effect.other:
                told += f"; {_count(len(self.effect.other), 'error')} beside"
        differ = "differs" if len(self.packages) == 1 else "differ"
        return f"{self.image}: {told}; {_count(len(self.packages), 'package')} {differ}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as XCom and the state keep them."""
        document: dict[str, Any] = _plain(asdict(self))
        return {**document, "good": self.is_good, "summary": self.summary}


def effect(live: Verdict | None, candidate: Verdict) -> Effect:
    """Compare two verdicts on one revision: that of the running image, and that of a candidate."""
    before = {dag.dag_id: dag for dag in live.dags} if live else {}
    inputs = live.inputs if live else {}
    faulty = {finding.file for finding in candidate.errors}
    good = {dag.dag_id for dag in candidate.dags if dag.file not in faulty}
    broken = tuple(
        Broken(
            dag_id=dag_id,
            file=dag.file,
            findings=tuple(
                finding for finding in candidate.errors if finding.file in {dag.file, *inputs.get(dag.file, ())}
            ),
        )
        for dag_id, dag in sorted(before.items())
        if dag_id not in good
    )
    told = {finding for one in broken for finding in one.findings}
    gone = {one.dag_id for one in broken}
    lines = [line for line in candidate.changes.lines if _dag_id(line) not in gone]
    return Effect(
        broken=broken,
        other=tuple(finding for finding in candidate.errors if finding not in told),
        changes=tuple(line for line in lines if not line.endswith(_ONLY_DETAILS)),
        same=tuple(_dag_id(line) for line in lines if line.endswith(_ONLY_DETAILS)),
        removed_api=tuple(finding for finding in candidate.findings if finding.rule == REMOVED_API),
        unchecked=candidate.unchecked,
        judged=candidate.summary,
    )


def to_markdown(report: Report) -> str:
    """Return the report as a document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    number = f"release {report.release}, " if report.release else ""
    yield f"# Rehearsal of {report.image}"
    yield ""
    yield f"**{report.summary}**"
    yield ""
    yield f"Source {report.source}, {number}revision {report.revision[:12]}, {report.at}. {report.effect.judged}."
    yield ""
    yield "| | running | candidate |"
    yield "|---|---|---|"
    for name in ("python", "airflow"):
        yield f"| {name.title()} | {getattr(report.running, name)} | {getattr(report.candidate, name) or 'none'} |"
    yield f"| lockfile | | {report.candidate.problem or 'complete'} |"
    yield from _section("DAGs that would break", list(_broken(report)), "None.")
    yield from _section("DAGs that would be others", [f"- `{line}`" for line in report.effect.changes], "None.")
    if report.effect.same:
        yield ""
        yield f"Stored in another form, with the same tasks and schedule: {', '.join(report.effect.same)}."
    uses = [f"- `{finding.place}` {finding.message}{_hint(finding)}" for finding in report.effect.removed_api]
    yield from _section("Removed and deprecated API in use", uses, "None.")
    if report.effect.unchecked:
        yield from _section("Not checked", [f"- {told}" for told in report.effect.unchecked], "")
    yield from _section("Packages", [f"- {change.line}" for change in report.packages], "The same.")


def _broken(report: Report) -> Iterator[str]:
    for one in report.effect.broken:
        yield f"- **{one.dag_id}** (`{one.file}`)"
        yield from (f"  - {_told(finding)}" for finding in one.findings)
    yield from (f"- {_told(finding)}" for finding in report.effect.other)


def _dag_id(line: str) -> str:
    """Return the DAG id of a line of ``verdict.Changes``: a sign, the id, and what follows a colon."""
    return line[2:].partition(":")[0]


def _told(finding: Finding) -> str:
    message = " ".join(finding.message.split())
    return f"`{finding.place}` [{finding.rule}] {message}{_hint(finding)}"


def _hint(finding: Finding) -> str:
    return f" ({finding.hint})" if finding.hint else ""


def _section(title: str, lines: Iterable[str], nothing: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines or (nothing,)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
