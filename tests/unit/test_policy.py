from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.observed import observed, outcome
from tests.verdicts import dag

from airlock.errors import ConfigError
from airlock.validate import policy as policies, rules
from airlock.validate.policy import Policies, Policy
from airlock.validate.ruling import apply

LEVELS = ["off", "warning", "error"]
FREE = sorted(rules.BY_ID.keys() - rules.MANDATORY)


def parsed(text: str) -> Policy:
    policy, faults = policies.parse(text)
    assert faults == ()
    return policy


def faults(text: str) -> list[str]:
    return [fault.message for fault in policies.parse(text)[1]]


def exception(rule: str = "import-budget", path: str = "legacy/*", reason: str = "moves in May") -> str:
    return f'[[exceptions]]\nrule = "{rule}"\npath = "{path}"\nreason = "{reason}"\n'


def test_an_empty_policy_asks_for_nothing_and_has_no_digest() -> None:
    assert parsed("") == Policy()
    assert Policy().digest == ""
    assert (
        parsed("[rules.import-budget]\nseconds = 5\n").digest != parsed("[rules.import-budget]\nseconds = 6\n").digest
    )


def test_every_setting_is_read() -> None:
    policy = parsed(
        """
        [rules.import-budget]
        severity = "error"
        seconds = 5
        [guards]
        share = 0.25
        at_least = 10
        [rules.unknown-pool]
        pools = ["small"]
        [rules.owner]
        allowed = ["team-*"]
        [rules.tags]
        required = ["team:*"]
        [rules.retries]
        at_least = 1
        at_most = 5
        [rules.version-inflation]
        severity = "off"
        """
        + exception()
    )
    assert policy.severities == {"import-budget": "error", "version-inflation": "off"}
    options = Policies(repository=policy).options()
    assert options["import-budget"] == {"seconds": 5.0}
    assert policy.guards == {"share": 0.25, "at_least": 10}
    assert options["unknown-pool"] == {"pools": ("small",)}
    assert options["owner"] == {"allowed": (("team-*",),)}
    assert options["tags"] == {"required": ("team:*",)}
    assert options["retries"] == {"at_least": 1, "at_most": 5}
    assert [(one.rule, one.path, one.reason) for one in policy.exceptions] == [
        ("import-budget", "legacy/*", "moves in May")
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[rule.tags]\n", "rule: unknown key; did you mean rules?"),
        ("[rules.import-budgets]\n", "rules.import-budgets: no such rule; did you mean import-budget?"),
        ("[rules.import-budget]\nsecond = 1\n", "rules.import-budget.second: unknown key; did you mean seconds?"),
        ("[rules.import-budget]\nseconds = -1\n", "rules.import-budget.seconds: must be a number above 0, not -1"),
        ("[rules.import-budget]\nseconds = true\n", "rules.import-budget.seconds: must be a number above 0, not True"),
        ("[guards]\nshare = 50\n", "guards.share: must be a number from 0 to 1, not 50"),
        ("[rules.retries]\nat_least = 1.5\n", "rules.retries.at_least: must be a whole number, 0 or more, not 1.5"),
        ("[rules.tags]\nrequired = []\n", "rules.tags.required: must be a list of names, not []"),
        ('[rules.tags]\nrequired = "a"\n', "rules.tags.required: must be a list of names, not 'a'"),
        (
            '[rules.tags]\nseverity = "warn"\n',
            'rules.tags.severity: must be "error", "warning" or "off", not \'warn\'',
        ),
        ("rules = 3\n", "rules: must be a table"),
        ("[rules]\ntags = 3\n", "rules.tags: must be a table"),
        ("exceptions = 3\n", "exceptions: must be a list of tables: [[exceptions]]"),
        ("exceptions = [3]\n", "exceptions[0]: must be a table"),
        (exception(reason=" "), "exceptions[0].reason: must be a text that is not empty"),
        (exception() + 'why = "x"\n', "exceptions[0].why: unknown key"),
        (exception(rule="import-buget"), "exceptions[0].rule: no such rule; did you mean import-budget?"),
        (
            exception(rule="import-error"),
            "exceptions[0].rule: import-error cannot have exceptions: Airflow makes none",
        ),
        ("rules = [\n", "not TOML: Invalid value (at end of document)"),
    ],
)
def test_each_fault_has_its_path_and_the_nearest_name(text: str, told: str) -> None:
    assert told in faults(text)


@pytest.mark.parametrize("rule", sorted(rules.MANDATORY))
@pytest.mark.parametrize("level", ["off", "warning"])
def test_what_airflow_itself_does_cannot_be_turned_off(rule: str, level: str) -> None:
    policy, (fault,) = policies.parse(f'[rules.{rule}]\nseverity = "{level}"\n')
    assert fault.message.startswith(f"rules.{rule}.severity: this rule says what Airflow itself would do")
    assert policy == Policy()
    assert faults(f'[rules.{rule}]\nseverity = "error"\n') == []


def test_a_fault_has_the_line_of_its_key() -> None:
    _, (fault,) = policies.parse('# ours\n\n[rules.tags]\nseverity = "error"\nrequire = ["a"]\n')
    assert fault.line == 5
    _, (fault,) = policies.parse("# ours\n\n[rules\n")
    assert fault.line == 3


def test_what_is_right_beside_a_fault_still_holds() -> None:
    policy, _ = policies.parse('[rules.tags]\nrequired = ["a"]\nrequire = ["b"]\n')
    assert policy.options == {"tags": {"required": ("a",)}}


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    policies.parse(text)


_POLICIES = st.builds(
    Policy,
    severities=st.dictionaries(st.sampled_from(FREE), st.sampled_from(LEVELS), max_size=4),
    exceptions=st.lists(
        st.builds(
            policies.Exemption,
            rule=st.sampled_from(FREE),
            path=st.sampled_from(["a.py", "*", "legacy/*"]),
            reason=st.just("why"),
        ),
        max_size=3,
    ).map(tuple),
)


@given(_POLICIES, _POLICIES, st.sampled_from(FREE), st.sampled_from([None, "a.py", "legacy/b.py"]))
def test_the_deployment_can_only_tighten(repository: Policy, deployment: Policy, rule: str, file: str | None) -> None:
    alone = Policies(repository=repository).level(rule, file)
    both = Policies(repository=repository, deployment=deployment).level(rule, file)
    assert LEVELS.index(both) >= LEVELS.index(alone)
    if not deployment.exemption(rule, file):
        assert LEVELS.index(both) >= LEVELS.index(deployment.severities.get(rule, "off"))


@pytest.mark.parametrize(
    ("rule", "key", "repository", "deployment", "holds"),
    [
        ("import-budget", "seconds", "5", "3", 3.0),
        ("import-budget", "seconds", "3", "5", 3.0),
        ("import-budget", "seconds", None, "60", 10.0),
        ("import-budget", "seconds", "60", None, 60.0),
        ("retries", "at_least", "1", "2", 2),
        ("retries", "at_most", "5", "3", 3),
        ("retries", "at_most", None, "3", 3),
        ("tags", "required", '["a"]', '["b"]', ("a", "b")),
        ("owner", "allowed", '["a", "b"]', '["a"]', (("a", "b"), ("a",))),
        ("unknown-pool", "pools", '["a", "b"]', '["b", "c"]', ("b",)),
        ("unknown-pool", "pools", None, '["b"]', ("b",)),
    ],
)
def test_the_stricter_of_two_options_holds(
    rule: str, key: str, repository: str | None, deployment: str | None, holds: object
) -> None:
    one, other = (parsed(f"[rules.{rule}]\n{key} = {value}\n" if value else "") for value in (repository, deployment))
    assert Policies(repository=one, deployment=other).options()[rule][key] == holds


def test_an_excepted_finding_is_kept_with_its_reason(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome("legacy/a.py", import_s=60), outcome("b.py", import_s=60))
    ruling = apply(seen, Policies(repository=parsed(exception())))
    assert [one.file for one in ruling.findings] == ["b.py"]
    assert [(one.finding.file, one.reason) for one in ruling.suppressed] == [("legacy/a.py", "moves in May")]


def test_a_severity_of_the_policy_is_the_findings_severity(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome(import_s=60))
    policy = parsed('[rules.import-budget]\nseverity = "error"\n')
    assert [one.severity for one in apply(seen, Policies(repository=policy)).findings] == ["error"]
    off = parsed('[rules.import-budget]\nseverity = "off"\n')
    assert apply(seen, Policies(repository=off)).findings == ()
    assert [one.severity for one in apply(seen, Policies(repository=off, deployment=policy)).findings] == ["error"]


def test_a_rule_that_cannot_be_applied_is_told_unless_it_is_off(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome(dags=(dag("etl", pools={"a": "small"}),)))
    assert apply(seen, Policies()).unchecked[0].startswith("unknown-pool: not checked: ")
    off = parsed('[rules.unknown-pool]\nseverity = "off"\n')
    assert apply(seen, Policies(repository=off)).unchecked == ()


def test_a_tree_without_a_policy_has_none(tmp_path: Path) -> None:
    assert policies.of_repository(tmp_path, Policy()) == (Policies(), ())


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe", "cannot be read: "), (b"#" * (2 << 20), "larger than 1 MiB")],
    ids=["not UTF-8", "huge"],
)
def test_a_policy_that_cannot_be_read_is_a_fault(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "airlock.toml").write_bytes(content)
    holding, (fault,) = policies.of_repository(tmp_path, Policy())
    assert holding == Policies()
    assert fault.message.startswith(told)


def test_a_policy_outside_the_repository_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_text("password = 1\n")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "airlock.toml").symlink_to("../secret.toml")
    _, (fault,) = policies.of_repository(tmp_path / "repo", Policy())
    assert fault.message == "must be a file of the repository"


def test_an_exception_that_the_deployment_overrules_is_told(tmp_path: Path) -> None:
    (tmp_path / "airlock.toml").write_text(exception())
    deployment = parsed('[rules.import-budget]\nseverity = "warning"\n')
    holding, (fault,) = policies.of_repository(tmp_path, deployment)
    assert not fault.is_error
    assert fault.message == "exceptions[0] has no effect: the deployment's policy decides about import-budget"
    assert holding.level("import-budget", "legacy/a.py") == "warning"


def test_the_deployments_policy_is_named_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[rules.import-budget]\nseconds = 3\n")
    assert policies.from_environment({}) == Policy()
    assert policies.from_environment({"AIRLOCK_POLICY": str(path)}).options == {"import-budget": {"seconds": 3.0}}


@pytest.mark.parametrize("content", [None, "[rules.tag]\n"])
def test_a_wrong_policy_of_the_deployment_is_for_its_operator(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "policy.toml"
    if content:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"AIRLOCK_POLICY: .*policy\.toml"):
        policies.from_environment({"AIRLOCK_POLICY": str(path)})


def test_an_option_of_the_deployment_alone_makes_its_rule_one_that_no_repository_loosens() -> None:
    deployment, _ = policies.parse(
        '[rules.retries]\nat_least = 2\n[rules.tags]\nrequired = ["team:*"]\nseverity = "off"\n'
    )
    repository, _ = policies.parse(
        '[rules.retries]\nseverity = "off"\n[rules.tags]\nseverity = "off"\n'
        '[[exceptions]]\nrule = "retries"\npath = "*"\nreason = "no"\n'
    )
    both = Policies(repository=repository, deployment=deployment)
    assert (both.is_off("retries"), both.level("retries", "a.py")) == (False, "error")
    assert both.is_off("tags")  # the deployment says so itself


def test_a_policy_that_is_a_link_to_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "airlock.toml").symlink_to("airlock.toml")
    _, (fault,) = policies.of_repository(tmp_path, Policy())
    assert fault.message == "must be a file of the repository"


def test_a_rule_that_fails_rejects_whatever_the_policy_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(rules.BY_ID["deprecated-api"], "find", fail)
    policy, _ = policies.parse('[rules.deprecated-api]\nseverity = "warning"\n')
    (finding,) = apply(observed(tmp_path, outcome()), Policies(repository=policy)).findings
    assert (finding.rule, finding.severity) == ("deprecated-api", "error")
    assert "RuntimeError: surprise" in finding.message
