"""Findings and verdicts: what the gate says about one revision, and their JSON form."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from airlock.text import escaped, one_line

Severity = Literal["error", "warning"]
_UNKNOWN = " (unknown)"
Result = Literal["passed", "rejected", "waiting", "error"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a rule has to say. ``file`` is relative to the DAG folder; ``line`` counts from 1.

    A finding of severity ``error`` rejects the revision; a ``warning`` does not.
    """

    rule: str
    severity: Severity
    message: str
    file: str | None = None
    line: int | None = None
    dag_id: str | None = None
    hint: str = ""

    @property
    def place(self) -> str:
        """``file:line``, as far as it is known, on one line."""
        if self.file is None:
            return ""
        file = one_line(self.file)
        return f"{file}:{self.line}" if self.line else file


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """A finding that does not count, because the repository's policy makes an exception, and the reason given there."""

    finding: Finding
    reason: str


@dataclass(frozen=True, kw_only=True)
class Dag:
    """What a release would put live under one DAG id, as a person compares it.

    ``tasks`` maps task ids to operator names, ``edges`` are pairs ``upstream -> downstream``. ``pools`` and ``retries``
    name the tasks that have other than Airflow's default pool and no retry. ``inlets`` and ``outlets`` are the names of
    the assets of its tasks, ``scheduled_by`` of those that it waits for. ``digest`` is the sha256 of the serialised DAG
    without its place on disk.
    """

    dag_id: str
    file: str
    schedule: str
    owner: str
    tags: tuple[str, ...]
    tasks: Mapping[str, str]
    edges: tuple[str, ...]
    pools: Mapping[str, str]
    retries: Mapping[str, int]
    inlets: tuple[str, ...]
    outlets: tuple[str, ...]
    scheduled_by: tuple[str, ...]
    digest: str

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Dag:
        """Return the DAG of a JSON document. Raises ``TypeError`` or ``KeyError`` when a field is missing."""
        lists = {name: tuple(document[name]) for name in ("tags", "edges", "inlets", "outlets", "scheduled_by")}
        return cls(**{**document, **lists})


@dataclass(frozen=True, kw_only=True)
class Changes:
    """DAG ids that a revision adds to, removes from and changes in what is live; ``lines`` has one line about each."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome for one revision in one environment.

    ``inputs`` maps each DAG file to the files of the revision that its import read or asked about, and as ``folder/``
    to those that it listed; ``asked`` to the variables and connections that it asked Airflow for.
    ``judged_at`` is an ISO 8601 time.
    ``environment`` is the digest of what was installed when the revision was judged, ``policy`` of the deployment's
    policy (empty: none), and ``subdir`` is the folder that held the DAG files. ``tree`` names the tree that was
    judged where it is another than the commit's own. ``circumstances`` is a digest of Airflow's configuration, cluster
    policy and plugins as the files were imported (empty: not recorded). ``unchecked`` says which rules could not
    be applied, and why. A verdict that is not ``lasting`` depends on what was going on, as on runs in flight.
    """

    revision: str
    result: Result
    environment: str
    judged_at: str
    duration_s: float
    total: int
    imported: int
    cached: int = 0
    policy: str = ""
    subdir: str = ""
    tree: str = ""
    lasting: bool = True
    circumstances: str = ""
    dags: tuple[Dag, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    unchecked: tuple[str, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    def is_valid_for(self, *, environment: str, policy: str, subdir: str) -> bool:
        """Tell whether judging the revision again under these circumstances would give this verdict again."""
        return self.lasting and (self.environment, self.policy, self.subdir) == (environment, policy, subdir)

    def affected_by(self, changed: AbstractSet[str]) -> tuple[str, ...]:
        """Return the DAG files that a change of these paths affects; a path that is a folder means all below it.

        So git names a submodule, and a link to a folder.
        """
        looked_at = changed | {f"{posixpath.dirname(path)}/" for path in changed}

        def is_touched(name: str) -> bool:
            return name in looked_at or not changed.isdisjoint(_folders(name))

        return tuple(file for file, names in self.inputs.items() if any(map(is_touched, (file, *names))))

    def with_dags_of(self, earlier: Verdict) -> Verdict:
        """Return the verdict with the DAGs of an earlier one on the same revision that could not be seen this time."""
        seen = {dag.dag_id for dag in self.dags}
        dags = [*self.dags, *(dag for dag in earlier.dags if dag.dag_id not in seen)]
        return replace(self, dags=tuple(sorted(dags, key=lambda dag: (dag.dag_id, dag.file))))

    @property
    def unknown(self) -> tuple[str, ...]:
        """The variables and connections that DAG files asked for and of which there are none."""
        names = {name for names in self.asked.values() for name in names}
        return tuple(sorted(name.removesuffix(_UNKNOWN) for name in names if name.endswith(_UNKNOWN)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that reject the revision."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def summary(self) -> str:
        """One line for a person: what was judged, and how it ended."""
        counted = f"{_count(len(self.dags), 'DAG')} in {_count(self.total, 'file')}, {self.duration_s:.1f} s"
        warnings = len(self.findings) - len(self.errors)
        told = [_count(number, word) for number, word in ((len(self.errors), "error"), (warnings, "warning")) if number]
        if self.suppressed:
            told.append(f"{len(self.suppressed)} suppressed")
        if not told:
            return f"{self.result}: {counted}"
        return f"{self.result}: {', '.join(told)}; {counted}"

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as the JSON document that scripts read and the mirror keeps."""
        document = asdict(self)
        document["files"] = {key: document.pop(key) for key in ("total", "imported", "cached")}
        return document


def from_json(document: Mapping[str, Any]) -> Verdict:
    """Return the verdict that ``Verdict.to_json`` wrote.

    Raises ``ValueError`` when the document is something else.
    """
    try:
        values = dict(document)
        values.update(values.pop("files"))
        values["dags"] = tuple(Dag.from_json(dag) for dag in values["dags"])
        values["findings"] = tuple(Finding(**finding) for finding in values["findings"])
        values["suppressed"] = tuple(
            Suppressed(finding=Finding(**one["finding"]), reason=one["reason"]) for one in values["suppressed"]
        )
        values["unchecked"] = tuple(values["unchecked"])
        for name in ("inputs", "asked"):
            values[name] = {file: tuple(told) for file, told in values[name].items()}
        values["changes"] = Changes(**{key: tuple(value) for key, value in values["changes"].items()})
        return Verdict(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a verdict: {error!r}") from error


def compare(live: Verdict | None, candidate: Verdict) -> Changes:
    """Return what ``candidate`` would add to, remove from and change in ``live``."""
    before = {dag.dag_id: dag for dag in live.dags} if live else {}
    after = {dag.dag_id: dag for dag in candidate.dags}
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(dag_id for dag_id in after.keys() & before.keys() if _differs(before[dag_id], after[dag_id]))
    lines = [
        *(
            f"+ {dag_id}: {_count(len(after[dag_id].tasks), 'task')}, schedule {after[dag_id].schedule}"
            for dag_id in added
        ),
        *(f"- {dag_id}" for dag_id in removed),
        *(f"~ {dag_id}: {'; '.join(_differences(before[dag_id], after[dag_id]))}" for dag_id in changed),
    ]
    return Changes(
        added=tuple(added), removed=tuple(removed), changed=tuple(changed), lines=tuple(map(one_line, lines))
    )


def in_folder(file: str, subdir: str) -> str:
    """Return a file of a revision as seen from its DAG folder, which is how Airflow knows it."""
    return file.removeprefix(f"{subdir.strip('/')}/") if subdir else file


def dumps(document: Mapping[str, Any]) -> str:
    """Return JSON that is the same for the same content, and that can be encoded whatever names files have."""
    return escaped(json.dumps(document, sort_keys=True, ensure_ascii=False))


def _differs(before: Dag, after: Dag) -> bool:
    return before.digest != after.digest or before.file != after.file


def _differences(before: Dag, after: Dag) -> list[str]:
    told = [
        f"{name} {old} -> {new}"
        for name, old, new in (
            ("schedule", before.schedule, after.schedule),
            ("owner", before.owner, after.owner),
            ("tags", ", ".join(before.tags) or "none", ", ".join(after.tags) or "none"),
            ("file", before.file, after.file),
        )
        if old != new
    ]
    told += _set_differences("task", before.tasks.keys(), after.tasks.keys())
    both = before.tasks.keys() & after.tasks.keys()
    told += _value_differences("task {}", before.tasks, after.tasks, both)
    told += _set_differences("edge", set(before.edges), set(after.edges))
    told += _value_differences("pool of {}", before.pools, after.pools, both, usual="default_pool")
    told += _value_differences("retries of {}", before.retries, after.retries, both, usual="0")
    told += _set_differences("inlet", before.inlets, after.inlets)
    told += _set_differences("outlet", before.outlets, after.outlets)
    return told or ["details of tasks or parameters"]


def _folders(name: str) -> Iterator[str]:
    """Yield the folders that a path lies in, the nearest first."""
    while (name := posixpath.dirname(name)).strip("/"):
        yield name


def _set_differences(name: str, before: Iterable[str], after: Iterable[str]) -> list[str]:
    return [f"{name} added: {item}" for item in sorted(set(after) - set(before))] + [
        f"{name} removed: {item}" for item in sorted(set(before) - set(after))
    ]


def _value_differences(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], keys: Iterable[str], *, usual: str = ""
) -> list[str]:
    return [
        f"{name.format(key)} {before.get(key, usual)} -> {after.get(key, usual)}"
        for key in sorted(keys)
        if before.get(key) != after.get(key)
    ]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
