"""``duplicate-dag-id``: two files define one DAG. Airflow gives no error: the DAG flips between them at every parse."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "duplicate-dag-id"
SEVERITY: Severity = "error"
HINT = "give one of them another dag_id"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for every file but the rightful one, and for ids that another bundle has."""
    files: dict[str, list[str]] = defaultdict(list)
    for outcome in observed.outcomes:
        for dag in outcome.dags:
            files[dag.dag_id].append(outcome.file)
        for dag_id in outcome.repeated:
            message = f"{dag_id} is defined more than once in this file; Airflow keeps any one of them"
            yield _finding(observed, dag_id, outcome.file, message)
    live = {dag_id: dag.file for dag_id, dag in observed.live_dags.items()}
    for dag_id, places in sorted(files.items()):
        yield from _of_other_bundles(observed, dag_id, sorted(set(places)))
        yield from _of_other_files(observed, dag_id, places, live=live.get(dag_id))


def _of_other_bundles(observed: Observed, dag_id: str, files: Iterable[str]) -> Iterator[Finding]:
    owner, bundle = observed.owners.get(dag_id), observed.elsewhere.get(dag_id)
    for file in files:
        if owner:
            yield _finding(observed, dag_id, file, f"{dag_id} is already a DAG of {owner}")
        elif bundle:
            message = (
                f"Airflow knows {dag_id} from bundle {bundle}; if it is still there, the DAG flips between the two"
            )
            yield replace(_finding(observed, dag_id, file, message), severity="warning")


def _of_other_files(observed: Observed, dag_id: str, files: Iterable[str], *, live: str | None) -> Iterator[Finding]:
    first, *others = sorted(files, key=lambda file: (file != live, file))
    for file in others:
        yield _finding(observed, dag_id, file, f"{dag_id} is also defined in {first}")


def _finding(observed: Observed, dag_id: str, file: str, message: str) -> Finding:
    return Finding(
        rule=ID,
        severity=SEVERITY,
        file=file,
        line=_line(observed, file, dag_id),
        dag_id=dag_id,
        message=message,
        hint=HINT,
    )


def _line(observed: Observed, file: str, dag_id: str) -> int | None:
    """Return the first line that names the DAG: as a string, or as the function that makes it."""
    named = re.compile(rf"""["']{re.escape(dag_id)}["']|^\s*def {re.escape(dag_id)}\(""")
    try:
        text = (observed.root / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # inside an archive
    return next((number for number, line in enumerate(text.splitlines(), 1) if named.search(line)), None)
