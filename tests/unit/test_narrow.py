from __future__ import annotations

import pytest
from tests.verdicts import dag, verdict

from airlock.validate.narrow import affected, narrow
from airlock.verdict import Finding, Suppressed

INPUTS = {
    "a.py": ("a.py", "shared/tables.py"),
    "b.py": ("b.py", "config/b.yaml"),
    "c.py": ("c.py",),
}


def error(file: str | None, rule: str = "import-error", dag_id: str | None = None) -> Finding:
    return Finding(rule=rule, severity="error", message="m", file=file, dag_id=dag_id)


@pytest.mark.parametrize(
    ("changed", "files"),
    [
        (set(), set()),
        ({"README.md"}, set()),
        ({"a.py"}, {"a.py"}),
        ({"shared/tables.py"}, {"a.py"}),
        ({"config/b.yaml", "c.py"}, {"b.py", "c.py"}),
        ({"airlock.toml"}, {"a.py", "b.py", "c.py"}),
        ({"team/.airflowignore"}, {"a.py", "b.py", "c.py"}),
    ],
)
def test_files_that_changed_and_files_that_read_them_are_affected(changed: set[str], files: set[str]) -> None:
    assert affected(verdict("1", inputs=INPUTS), changed, set()) == files


def test_what_is_gone_affects_files_that_fail_and_files_that_read_its_folder() -> None:
    one = verdict("1", inputs=INPUTS, findings=(error("c.py"),))
    assert affected(one, {"lost.py"}, {"lost.py"}) == {"c.py"}
    assert affected(one, {"config/a.yaml"}, {"config/a.yaml"}) == {"b.py", "c.py"}


@pytest.mark.parametrize("rule", ["crash", "time-out"])
def test_any_change_may_be_why_a_file_does_not_come_to_its_end(rule: str) -> None:
    one = verdict("1", inputs={"a.py": (), "b.py": ()}, findings=(error("a.py", rule=rule),))
    assert affected(one, {"shared.py"}, set()) == {"a.py"}
    assert affected(one, set(), set()) == set()


def test_findings_of_other_files_are_left_out_and_the_result_follows() -> None:
    one = verdict("1", result="rejected", inputs=INPUTS, findings=(error("a.py"), error("b.py")))
    assert [finding.file for finding in narrow(one, {"a.py"}, set()).findings] == ["a.py"]
    assert narrow(one, {"a.py"}, set()).result == "rejected"
    assert narrow(one, {"c.py"}, set()).result == "passed"


def test_a_finding_about_two_files_stays_when_either_changed() -> None:
    twice = error("b.py", rule="duplicate-dag-id", dag_id="etl")
    one = verdict("1", inputs=INPUTS, findings=(twice,), dags=(dag("etl", file="a.py"), dag("etl", file="b.py")))
    assert narrow(one, {"a.py"}, set()).findings == (twice,)
    assert narrow(one, {"b.py"}, set()).findings == (twice,)
    assert narrow(one, {"c.py"}, set()).findings == ()


def test_findings_of_no_file_and_of_changed_files_that_give_no_dag_stay() -> None:
    findings = error(None, rule="discovery"), error("requirements.txt", rule="unmet-requirement")
    one = verdict("1", inputs=INPUTS, findings=findings, suppressed=(Suppressed(finding=error("a.py"), reason="r"),))
    assert narrow(one, {"requirements.txt"}, set()).findings == findings
    assert narrow(one, {"c.py"}, set()).findings == findings[:1]
    assert narrow(one, {"c.py"}, set()).suppressed == ()


def test_a_change_of_a_folder_is_one_of_all_below_it_and_a_new_file_one_of_who_listed_its_folder() -> None:
    one = verdict("1", inputs={"a.py": ("lib/x/helper.py",), "b.py": ("config/",), "c.py": ("/",)})
    assert affected(one, {"lib"}, set()) == {"a.py", "c.py"}  # a submodule, or a link
    assert affected(one, {"config/new.yaml"}, set()) == {"b.py"}
    assert affected(one, {"new.py"}, set()) == {"c.py"}
