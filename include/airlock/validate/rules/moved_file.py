"""``moved-file``: a DAG's file was moved or renamed, or the DAG folder is another one, while runs of it are unfinished.

Such a run is pinned to its revision, but Airflow looks there for the file under its new name: the run's next task fails
with "Dag not found".
"""

from __future__ import annotations

from collections.abc import Iterator

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity, in_folder

ID = "moved-file"
SEVERITY: Severity = "error"
HINT = "it is tried again every ten minutes until the runs have ended; airlock sync does not wait"
OPTIONS: tuple[Option, ...] = ()


def moved(observed: Observed) -> dict[str, tuple[str, str]]:
    """Return the live DAGs whose file is another one now, as Airflow sees it, with both files."""
    before = {} if observed.live is None else {dag.dag_id: dag.file for dag in observed.live.dags}
    subdir = "" if observed.live is None else observed.live.subdir
    folder = "" if observed.folder == observed.root else observed.relative(observed.folder)
    return {
        dag.dag_id: (before[dag.dag_id], outcome.file)
        for outcome in observed.outcomes
        for dag in outcome.dags
        if dag.dag_id in before and in_folder(before[dag.dag_id], subdir) != in_folder(outcome.file, folder)
    }


def why_unchecked(observed: Observed) -> str:
    """Say why the number of runs is not known, where files were moved."""
    return "Airflow was not asked for unfinished runs" if moved(observed) and observed.unfinished is None else ""


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each moved DAG that has unfinished runs."""
    for dag_id, (before, after) in sorted(moved(observed).items()):
        number = (observed.unfinished or {}).get(dag_id, 0)
        if number:
            told = f"moved here from {before}" if before != after else "is in another DAG folder now"
            runs = "1 unfinished run" if number == 1 else f"{number} unfinished runs"
            yield Finding(
                rule=ID,
                severity=SEVERITY,
                file=after,
                dag_id=dag_id,
                message=f"{dag_id} {told}, and has {runs}: their next tasks would not find the DAG",
                hint=HINT,
            )
