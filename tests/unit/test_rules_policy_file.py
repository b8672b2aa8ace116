from __future__ import annotations

from pathlib import Path

from tests.observed import observed

from airlock.validate.outcome import Fault
from airlock.validate.rules import policy_file


def test_a_policy_without_faults_gives_nothing(tmp_path: Path) -> None:
    assert list(policy_file.find(observed(tmp_path))) == []


def test_each_fault_is_a_finding_of_the_file(tmp_path: Path) -> None:
    faults = Fault(message="rules.tag: no such rule", line=3), Fault(message="no effect", is_error=False)
    wrong, useless = policy_file.find(observed(tmp_path, policy_faults=faults))
    assert (wrong.rule, wrong.severity, wrong.place, wrong.message) == (
        "policy",
        "error",
        "airlock.toml:3",
        "rules.tag: no such rule",
    )
    assert (useless.severity, useless.place) == ("warning", "airlock.toml")
