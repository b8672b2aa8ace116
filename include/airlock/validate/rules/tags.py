"""``tags``: a DAG lacks a tag that the repository's policy asks for. Says nothing unless the policy asks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from airlock.validate import option
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "tags"
SEVERITY: Severity = "error"
HINT = "add the tag to the DAG: tags=[...]"
OPTIONS: tuple[Option, ...] = (Option(name="required", default=(), read=option.names, stricter=option.both),)


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each DAG that lacks a tag, with every pattern that no tag of it matches."""
    required = observed.option(ID, "required")
    for outcome in observed.outcomes:
        for dag in outcome.dags:
            lacking = [
                pattern for pattern in required if not any(fnmatch.fnmatchcase(tag, pattern) for tag in dag.tags)
            ]
            if lacking:
                message = f"{dag.dag_id} has no tag {', '.join(lacking)}"
                yield Finding(
                    rule=ID, severity=SEVERITY, file=outcome.file, dag_id=dag.dag_id, message=message, hint=HINT
                )
