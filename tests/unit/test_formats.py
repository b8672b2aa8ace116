"""The formats that other programs read: each is checked as its reader would."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st
from tests.verdicts import dag, verdict

from airlock.cli import formats, report
from airlock.validate import rules
from airlock.verdict import Finding, Suppressed, Verdict

BROKEN = Finding(
    rule="import-error",
    severity="error",
    message="KeyError: 'a'",
    file="dags/my étl.py",
    line=7,
    hint="set it",
)
WARNED = Finding(rule="import-budget", severity="warning", message="12 s", file="dags/slow.py")
WHOLE = Finding(rule="discovery", severity="warning", message="3 of 6 live DAGs would be removed")
JUDGED = verdict(
    "working tree",
    result="rejected",
    total=3,
    dags=(dag("ok"),),
    inputs={"dags/my étl.py": (), "dags/ok.py": (), "dags/slow.py": ()},
    findings=(BROKEN, WARNED, WHOLE),
    suppressed=(
        Suppressed(finding=Finding(rule="tags", severity="error", message="no tag", file="old.py"), reason="May"),
    ),
    unchecked=("unknown-pool: not checked: why",),
)
_TEXT = st.text(max_size=30)
_NASTY = st.builds(
    Finding,
    rule=st.sampled_from(sorted(rules.BY_ID)),
    severity=st.sampled_from(["error", "warning"]),
    message=_TEXT,
    file=st.none() | st.text(min_size=1, max_size=20),
    line=st.none() | st.integers(1, 10**6),
    dag_id=st.none() | _TEXT,
    hint=_TEXT,
)
_VERDICTS = st.builds(
    verdict,
    st.just("r1"),
    findings=st.lists(_NASTY, max_size=4).map(tuple),
    suppressed=st.lists(st.builds(Suppressed, finding=_NASTY, reason=_TEXT), max_size=2).map(tuple),
    inputs=st.dictionaries(st.text(min_size=1, max_size=20), st.just(()), max_size=3),
)


def sarif(one: Verdict, prefix: str = "") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(formats.render("sarif", one, prefix))
    return document


def check_sarif(document: dict[str, Any]) -> None:
    """Check what the schema of SARIF 2.1.0 asks for of what we write."""
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    for invocation in run["invocations"]:
        assert isinstance(invocation["executionSuccessful"], bool)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert isinstance(result["message"]["text"], str)
        for location in result["locations"]:
            artifact = location["physicalLocation"]["artifactLocation"]
            assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", artifact["uri"])
            assert artifact["uriBaseId"] in run["originalUriBaseIds"]
            region = location["physicalLocation"].get("region", {"startLine": 1})
            assert region["startLine"] >= 1
        for suppression in result.get("suppressions", ()):
            assert suppression["kind"] in ("inSource", "external")
            assert suppression["status"] in ("accepted", "underReview", "rejected")


def test_sarif_has_the_rules_and_each_finding_with_its_place() -> None:
    document = sarif(JUDGED, "etl/")
    check_sarif(document)
    (run,) = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.ID for rule in rules.ALL]
    broken, warned, whole, suppressed = run["results"]
    assert (broken["ruleId"], broken["level"], broken["message"]["text"]) == (
        "import-error",
        "error",
        "KeyError: 'a'\nhint: set it",
    )
    physical = broken["locations"][0]["physicalLocation"]
    assert unquote(physical["artifactLocation"]["uri"]) == "etl/dags/my étl.py"
    assert " " not in physical["artifactLocation"]["uri"]
    assert physical["region"] == {"startLine": 7}
    assert "region" not in warned["locations"][0]["physicalLocation"]
    assert whole["locations"] == []
    assert suppressed["suppressions"][0]["justification"] == "May"
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in notes] == ["unknown-pool: not checked: why"]


def test_every_rule_has_a_description_of_its_own() -> None:
    described = {rule["shortDescription"]["text"] for rule in sarif(JUDGED)["runs"][0]["tool"]["driver"]["rules"]}
    assert len(described) == len(rules.ALL)


@given(_VERDICTS)
def test_sarif_holds_whatever_a_file_says(one: Verdict) -> None:
    check_sarif(sarif(one))


def test_junit_has_a_case_for_each_file_and_errors_are_failures() -> None:
    suites = ET.fromstring(formats.render("junit", JUDGED, "etl/"))
    (suite,) = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("4", "1", "0")
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert list(cases) == ["etl/dags/my étl.py", "etl/dags/ok.py", "etl/dags/slow.py", "revision"]
    (failure,) = cases["etl/dags/my étl.py"]
    assert (failure.tag, failure.attrib["type"], failure.attrib["message"]) == (
        "failure",
        "import-error",
        "KeyError: 'a'",
    )
    assert list(cases["etl/dags/ok.py"]) == []
    assert [child.tag for child in cases["etl/dags/slow.py"]] == ["system-out"]
    assert "suppressed (May)" in (suite.findtext("system-out") or "")


@given(_VERDICTS)
def test_junit_is_well_formed_whatever_a_file_says(one: Verdict) -> None:
    suite = ET.fromstring(formats.render("junit", one, ""))[0]
    cases = list(suite.iter("testcase"))
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == len([case for case in cases if case.find("failure") is not None])


COMMAND = re.compile(r"::(error|warning|notice) ([^:\n]*)::([^\n]*)")


def test_github_annotates_the_line() -> None:
    broken, warned, whole, suppressed, unchecked, summary = formats.render("github", JUDGED, "etl/").split("\n")
    assert broken == ("::error file=etl/dags/my étl.py,line=7,title=airlock import-error::KeyError: 'a'%0Ahint: set it")
    assert warned == "::warning file=etl/dags/slow.py,line=1,title=airlock import-budget::12 s"
    assert whole == "::warning title=airlock discovery::3 of 6 live DAGs would be removed"
    assert suppressed == "::notice title=airlock tags (suppressed)::old.py: no tag (May)"
    assert unchecked == "::notice title=airlock::unknown-pool: not checked: why"
    assert summary == JUDGED.summary


def test_github_lets_no_file_add_a_command_of_its_own() -> None:
    nasty = Finding(
        rule="import-error",
        severity="error",
        message="100%\r\n::set-env name=PATH::/evil",
        file="a,b:c.py",
    )
    first, *rest = formats.render("github", verdict("r", findings=(nasty,)), "").split("\n")
    assert first == (
        "::error file=a%2Cb%3Ac.py,line=1,title=airlock import-error::100%25%0D%0A::set-env name=PATH::/evil"
    )
    assert len(rest) == 1


@given(_VERDICTS)
def test_github_has_one_line_for_each_finding(one: Verdict) -> None:
    *commands, _ = formats.render("github", one, "").split("\n")
    assert len(commands) == len(one.findings) + len(one.suppressed)
    assert all(COMMAND.fullmatch(line.replace("\r", "")) or not line.isprintable() for line in commands)


def test_json_is_the_whole_verdict() -> None:
    assert json.loads(formats.render("json", JUDGED, "etl/")) == json.loads(json.dumps(JUDGED.to_json()))


def test_text_is_readable_without_colour_and_the_same_with_it() -> None:
    plain = report.text(JUDGED)
    assert plain.splitlines()[:3] == [
        "working tree rejected: 1 error, 2 warnings, 1 suppressed; 1 DAG in 3 files, 1.0 s",
        "dags/my étl.py:7: error: KeyError: 'a' [import-error]",
        "    hint: set it",
    ]
    assert "suppressed (May): old.py: error: no tag [tags]" in plain
    assert "unknown-pool: not checked: why" in plain
    coloured = report.text(JUDGED, colour=True)
    assert coloured != plain
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == plain


def test_no_line_of_a_message_poses_as_a_finding() -> None:
    nasty = Finding(rule="crash", severity="error", message="it printed\nother.py:1: error: no [x]\n::error::y")
    lines = report.text(verdict("r", findings=(nasty,))).splitlines()[1:]
    assert [line for line in lines if not line.startswith("    ")] == ["error: it printed"]


@pytest.mark.parametrize("name", formats.NAMES)
def test_every_format_renders_a_verdict_without_findings(name: str) -> None:
    assert formats.render(name, verdict("working tree"), "")
