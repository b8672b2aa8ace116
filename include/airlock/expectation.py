"""What a release has to look like in Airflow, and how much of that has been seen."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airlock.enquiry import Answer, ImportFault, Stored
from airlock.verdict import Dag, Verdict, in_folder

log = logging.getLogger(__name__)

_PARSES_TO_BELIEVE = 3
_BROKEN_IMPORT = {"import-error", "not-serialisable", "time-out", "crash", "cluster-policy"}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A DAG as it has to be stored, its file relative to the DAG folder, and its digest in the release before.

    ``was_there``: that release had the file. ``may_fail``: the verdict tolerates an import error of the file.
    """

    dag_id: str
    file: str
    digest: str
    before: str | None
    was_there: bool
    may_fail: bool


def of(verdict: Verdict, awaited: Iterable[str], before: Verdict | None) -> dict[str, Expected]:
    """Return what is expected of the awaited DAGs of a verdict; ``before`` is the verdict of what was live before."""
    digests = {dag.dag_id: dag.digest for dag in before.dags} if before else {}
    findings = (*verdict.findings, *(one.finding for one in verdict.suppressed))
    tolerated = {finding.file for finding in findings if finding.rule in _BROKEN_IMPORT}
    wanted = set(awaited)

    def one(dag: Dag) -> Expected:
        return Expected(
            dag_id=dag.dag_id,
            file=in_folder(dag.file, verdict.subdir),
            digest=dag.digest,
            before=digests.get(dag.dag_id),
            was_there=before is not None and dag.file in before.inputs,
            may_fail=dag.file in tolerated,
        )

    return {dag.dag_id: one(dag) for dag in verdict.dags if dag.dag_id in wanted}


@dataclass(kw_only=True)
class Watch:
    """What is still missing of a release, what has been asked again, and what went wrong. It lives as long as the wait.

    ``parse`` says how often each file has been asked to be parsed.
    """

    expected: Mapping[str, Expected]
    pending: dict[str, Expected]
    parse: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    live_at: str = ""
    _doubted: dict[str, set[str]] = field(default_factory=dict)
    _failed: dict[str, set[str]] = field(default_factory=dict)

    def take(self, answer: Answer) -> None:
        """Move on with what the DAG processor says."""
        for file in sorted({one.file for one in self.pending.values() if not one.may_fail} & answer.errors.keys()):
            self._take_error(file, answer.errors[file])
        for dag_id, one in list(self.pending.items()):
            stored = answer.dags.get(dag_id)
            if stored and stored.version == answer.revision and self._is_settled(one, stored):
                self.live_at = max(self.live_at, stored.parsed_at)
                del self.pending[dag_id]

    def _take_error(self, file: str, fault: ImportFault) -> None:
        """Count an import error when the third parse has it: the first may be of the release before, and so may the
        second, if that parse was under way when the release switched.
        """
        times = self._failed.setdefault(file, set())
        if fault.at in times:
            return
        times.add(fault.at)
        if len(times) == _PARSES_TO_BELIEVE:
            self.faults.append(
                f"{file}: the DAG processor cannot import it: {fault.text.strip().rpartition(chr(10))[2]}"
            )
        else:
            log.warning("%s: the DAG processor could not import it; it is parsed again", file)
            self._again(file)

    def _is_settled(self, one: Expected, stored: Stored) -> bool:
        if stored.digest == one.digest:
            return True
        looked_at = self._doubted.setdefault(one.dag_id, set())
        if stored.parsed_at in looked_at:
            return False
        is_old = stored.digest == one.before
        if len(looked_at) < (_PARSES_TO_BELIEVE if is_old else 1):
            what = "the structure of the release before" if is_old else "another structure than judged"
            log.info("DAG %s is stored with %s; %s is parsed again", one.dag_id, what, one.file)
            looked_at.add(stored.parsed_at)
            self._again(one.file)
            return False
        self.differing.append(one.dag_id)
        return True

    def _again(self, file: str) -> None:
        self.parse[file] = self.parse.get(file, 0) + 1
