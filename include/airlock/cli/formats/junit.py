"""``junit``: one test case for each DAG file, and for each other file with a finding; errors are its failures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from airlock.cli import report
from airlock.verdict import Finding, Verdict

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REVISION = "revision"


def render(verdict: Verdict, prefix: str) -> str:
    """Return the verdict as JUnit XML."""
    names = dict.fromkeys(verdict.inputs)
    names |= dict.fromkeys(finding.file or _REVISION for finding in verdict.findings)
    by_name: dict[str, list[Finding]] = {name: [] for name in names}
    for finding in verdict.findings:
        by_name[finding.file or _REVISION].append(finding)
    suite = ET.Element("testsuite", name="airlock", errors="0", skipped="0", time=f"{verdict.duration_s:.3f}")
    suite.set("tests", str(len(by_name)))
    suite.set("timestamp", verdict.judged_at.removesuffix("+00:00"))
    failures = 0
    for name, findings in by_name.items():
        place = name if name == _REVISION else f"{prefix}{name}"
        case = ET.SubElement(suite, "testcase", classname="airlock", name=_clean(place), file=_clean(place), time="0")
        errors = [finding for finding in findings if finding.severity == "error"]
        failures += bool(errors)
        if errors:
            failure = ET.SubElement(case, "failure", type=errors[0].rule, message=_clean(errors[0].message))
            failure.text = _lines(errors)
        warnings = [finding for finding in findings if finding.severity == "warning"]
        if warnings:
            ET.SubElement(case, "system-out").text = _lines(warnings)
    suite.set("failures", str(failures))
    told = [f"not applied: {text}" for text in verdict.unchecked]
    told += [f"suppressed ({one.reason}): {report.line(one.finding)}" for one in verdict.suppressed]
    if told:
        ET.SubElement(suite, "system-out").text = _clean("\n".join(told))
    suites = ET.Element("testsuites", {key: suite.attrib[key] for key in ("tests", "failures", "errors", "time")})
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False)


def _lines(findings: Iterable[Finding]) -> str:
    return _clean("\n".join(line for finding in findings for line in report.finding_lines(finding)))


def _clean(text: str) -> str:
    """Return text that XML can hold: colour codes and zero bytes of a DAG file's message are not among it."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
