"""Narrows a verdict to what a change affects: every file was judged, and only findings about the change are told."""

from __future__ import annotations

import posixpath
from collections.abc import Set as AbstractSet
from dataclasses import replace

from airlock.validate import policy
from airlock.verdict import Finding, Verdict

_IGNORE_FILE = ".airflowignore"
_FAILURES = frozenset({"import-error", "missing-package"})
_BAD_ENDS = frozenset({"crash", "time-out"})


def affected(verdict: Verdict, changed: AbstractSet[str], deleted: AbstractSet[str]) -> frozenset[str]:
    """Return the DAG files whose import the change may have touched: rather too many than too few.

    A file that fails may have looked for what is deleted now, and one that reads a folder may have read it. Of a file
    that did not come to its end nobody knows what it read.
    """
    if policy.FILE in changed or any(posixpath.basename(path) == _IGNORE_FILE for path in changed):
        return frozenset(verdict.inputs)
    failed = {finding.file for finding in verdict.findings if finding.rule in _FAILURES}
    ended_badly = {finding.file for finding in verdict.findings if finding.rule in _BAD_ENDS}
    folders = {posixpath.dirname(path) for path in deleted}
    touched = frozenset(verdict.affected_by(changed))
    return frozenset(
        file
        for file, inputs in verdict.inputs.items()
        if file in touched
        or (deleted and file in failed)
        or (changed and file in ended_badly)
        or any(posixpath.dirname(path) in folders and path != file for path in inputs)
    )


def narrow(verdict: Verdict, changed: AbstractSet[str], deleted: AbstractSet[str]) -> Verdict:
    """Return the verdict with the findings that the change may have caused, and the result that follows from them.

    A finding about two files stays when either of them is affected.
    """
    files = affected(verdict, changed, deleted)
    dag_ids = {dag.dag_id for dag in verdict.dags if dag.file in files}

    def stays(finding: Finding) -> bool:
        return finding.file is None or finding.file in files or finding.file in changed or finding.dag_id in dag_ids

    findings = tuple(finding for finding in verdict.findings if stays(finding))
    return replace(
        verdict,
        result="rejected" if any(finding.severity == "error" for finding in findings) else "passed",
        findings=findings,
        suppressed=tuple(one for one in verdict.suppressed if stays(one.finding)),
    )
