"""What users meet is in the documents, and what the documents name exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from airlock import cli, project
from airlock.source import Source
from airlock.validate import policy as policies, rules

README = (project.ROOT / "README.md").read_text()
DOCS = {path: path.read_text() for path in [project.ROOT / "README.md", *(project.ROOT / "docs").rglob("*.md")]}
CODE = "\n".join(path.read_text() for path in (project.ROOT / "include").rglob("*.py"))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("name", [field.name for field in fields(Source) if field.name != "name"])
def test_every_setting_of_a_source_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCS[project.ROOT / "docs" / "configuration.md"]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_is_in_the_readme_or_its_pages(command: str) -> None:
    assert any(f"airlock {command}" in text for text in DOCS.values())


def test_every_command_in_the_documents_exists() -> None:
    named = {name for text in DOCS.values() for name in re.findall(r"(?:\./|`|\$ )airlock ([a-z]+)", text)}
    assert named <= set(cli.COMMANDS)


def test_every_reason_is_documented() -> None:
    raised = set(re.findall(r'reason="([A-Z]\w+)"', CODE)) | set(re.findall(r'reason = "([A-Z]\w+)"', CODE))
    everywhere = "\n".join(DOCS.values())
    assert {reason for reason in raised if f"`{reason}`" not in everywhere} == set()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(project.ROOT).as_posix())
def test_links_between_the_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", DOCS[path]):
        assert (path.parent / target).exists(), target


RULES = DOCS[project.ROOT / "docs" / "rules.md"]


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda rule: rule.ID)
def test_every_rule_has_its_section_with_a_bad_and_a_good_example(rule: rules.Rule) -> None:
    (section,) = re.findall(rf"^## `{rule.ID}`\n(.*?)(?=^## |\Z)", RULES, re.MULTILINE | re.DOTALL)
    severity = f"{rule.SEVERITY}, always" if rule.ID in rules.MANDATORY else rule.SEVERITY
    assert f"\nSeverity: {severity}.\n" in section
    bad, good = re.findall(r"^(?:Bad|Good):\n\n```\w+\n(.*?)```$", section, re.MULTILINE | re.DOTALL)
    assert bad != good
    for option in rule.OPTIONS:
        default = "" if option.default in (None, ()) else f"{option.default:g}"
        assert f"| `{option.name}` | {default} |" in section


def test_no_rule_is_documented_that_is_not_there() -> None:
    assert re.findall(r"^## `(.*)`$", RULES, re.MULTILINE) == [rule.ID for rule in rules.ALL]
    assert re.findall(r"^\| \[`(.*?)`\]", RULES, re.MULTILINE) == [rule.ID for rule in rules.ALL]


def test_the_policy_in_the_documents_is_right() -> None:
    text = DOCS[project.ROOT / "docs" / "configuration.md"]
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    policy, faults = policies.parse(example)
    assert faults == ()
    assert policy.severities
    assert policy.options
    assert policy.exceptions
