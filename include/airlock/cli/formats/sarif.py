"""``sarif``: SARIF 2.1.0, which code hosts show beside the code.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from airlock import __version__
from airlock.validate import rules
from airlock.verdict import Finding, Verdict

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"
_INDEX = {rule.ID: number for number, rule in enumerate(rules.ALL)}


def render(verdict: Verdict, prefix: str) -> str:
    """Return the verdict as a SARIF log of one run; suppressed findings are in it, marked as such."""
    results = [_result(finding, prefix) for finding in verdict.findings]
    results += [
        {
            **_result(one.finding, prefix),
            "suppressions": [{"kind": "external", "status": "accepted", "justification": one.reason}],
        }
        for one in verdict.suppressed
    ]
    run = {
        "tool": {
            "driver": {"name": "Airlock", "version": __version__, "rules": [_rule(rule) for rule in rules.ALL]},
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "note", "message": {"text": text}} for text in verdict.unchecked
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The top of the work tree"}}},
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def _rule(rule: rules.Rule) -> dict[str, Any]:
    about = (getattr(rule, "__doc__", "") or "").partition(": ")[2].partition("\n\n")[0]
    return {
        "id": rule.ID,
        "shortDescription": {"text": " ".join(about.split()) or rule.ID},
        "help": {"text": rule.HINT},
        "defaultConfiguration": {"level": rule.SEVERITY},
    }


def _result(finding: Finding, prefix: str) -> dict[str, Any]:
    text = f"{finding.message}\nhint: {finding.hint}" if finding.hint else finding.message
    return {
        "ruleId": finding.rule,
        "ruleIndex": _INDEX[finding.rule],
        "level": finding.severity,
        "message": {"text": text},
        "locations": [] if finding.file is None else [_location(finding, prefix)],
    }


def _location(finding: Finding, prefix: str) -> dict[str, Any]:
    uri = quote(f"{prefix}{finding.file}".encode("utf-8", "surrogateescape"))
    place: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    location: dict[str, Any] = {"physicalLocation": place}
    if finding.dag_id:
        location["logicalLocations"] = [{"name": finding.dag_id, "kind": "object"}]
    return location
