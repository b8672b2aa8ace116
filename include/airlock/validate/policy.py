"""Settings of the rules: a repository's ``airlock.toml``, and the deployment's own, which can only tighten it.

Both files have one strict schema, made of the rules themselves::

    [rules.import-budget]
    severity = "error"
    seconds = 5

    [[exceptions]]
    rule = "import-budget"
    path = "legacy/*.py"
    reason = "moves to the factory in May"

    [guards]
    protected = ["billing_*"]

Faults of the repository's file are findings of its revision; those of the deployment's are errors for its operator.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from airlock import folders
from airlock.errors import ConfigError
from airlock.guards import settings as guards
from airlock.validate import rules
from airlock.validate.outcome import Fault

FILE = "airlock.toml"
VARIABLE = "AIRLOCK_POLICY"
Level = Literal["off", "warning", "error"]
_LEVELS: tuple[Level, ...] = ("off", "warning", "error")
_MOST_BYTES = 1 << 20
_EXCEPTION_KEYS = ("rule", "path", "reason")


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Files (an fnmatch pattern of paths from the root of the repository) of which one rule says nothing, and why."""

    rule: str
    path: str
    reason: str

    def covers(self, rule: str, file: str | None) -> bool:
        """Tell whether a finding of ``rule`` about ``file`` is excepted."""
        return rule == self.rule and file is not None and fnmatch.fnmatchcase(file, self.path)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one file asks for: severities and options by rule, exceptions, and settings of the guards."""

    severities: Mapping[str, Level] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exceptions: tuple[Exemption, ...] = ()
    guards: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The sha256 of what the policy asks for; empty when it asks for nothing."""
        if self == Policy():
            return ""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def demanded(self, rule: str) -> Level:
        """Return how much a finding weighs where this is the deployment's policy: also to set an option is to ask."""
        return self.severities.get(rule, rules.BY_ID[rule].SEVERITY if rule in self.options else "off")

    def exemption(self, rule: str, file: str | None) -> Exemption | None:
        """Return the exception that covers a finding."""
        return next((one for one in self.exceptions if one.covers(rule, file)), None)


@dataclass(frozen=True, kw_only=True)
class Policies:
    """The repository's and the deployment's policy; of every setting the stricter one holds."""

    repository: Policy = field(default_factory=Policy)
    deployment: Policy = field(default_factory=Policy)

    def is_off(self, rule: str) -> bool:
        """Tell whether a rule is off for every file."""
        return self._asked(rule) == "off" and self.deployment.demanded(rule) == "off"

    def level(self, rule: str, file: str | None) -> Level:
        """Return how much a finding of ``rule`` about ``file`` weighs: ``off`` when it is excepted."""
        repository: Level = "off" if self.repository.exemption(rule, file) else self._asked(rule)
        deployment = "off" if self.deployment.exemption(rule, file) else self.deployment.demanded(rule)
        return max(repository, deployment, key=_LEVELS.index)

    def options(self) -> dict[str, dict[str, Any]]:
        """Return the value of every option of every rule."""
        return {rule.ID: {option.name: self._option(rule.ID, option) for option in rule.OPTIONS} for rule in rules.ALL}

    def _asked(self, rule: str) -> Level:
        return self.repository.severities.get(rule, rules.BY_ID[rule].SEVERITY)

    def _option(self, rule: str, option: rules.Option) -> Any:
        asked = [
            policy.options[rule][option.name]
            for policy in (self.repository, self.deployment)
            if option.name in policy.options.get(rule, {})
        ]
        if len(asked) == 2:
            return option.stricter(*asked)
        if not asked:
            return option.default
        is_deployment = option.name in self.deployment.options.get(rule, {})
        return option.stricter(option.default, asked[0]) if is_deployment else asked[0]


def of_repository(root: Path, deployment: Policy) -> tuple[Policies, tuple[Fault, ...]]:
    """Return what holds for a tree, and what is wrong with its ``airlock.toml``: what is wrong does not count."""
    path = root / FILE
    if not os.path.lexists(path):
        return Policies(deployment=deployment), ()
    text, fault = _read(path, root)
    if fault:
        return Policies(deployment=deployment), (fault,)
    policy, faults = parse(text)
    useless = tuple(
        Fault(
            message=f"exceptions[{number}] has no effect: the deployment's policy decides about {one.rule}",
            line=_line(text, one.path),
            is_error=False,
        )
        for number, one in enumerate(policy.exceptions)
        if deployment.demanded(one.rule) != "off"
    )
    return Policies(repository=policy, deployment=deployment), (*faults, *useless)


def from_environment(environ: Mapping[str, str]) -> Policy:
    """Return the deployment's policy: the file that ``AIRLOCK_POLICY`` names.

    Raises ``ConfigError`` when it cannot be read, or anything in it is wrong.
    """
    name = environ.get(VARIABLE)
    if not name:
        return Policy()
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{VARIABLE}: {name} cannot be read: {error}", hint="name a TOML file, or unset it"
        ) from error
    policy, faults = parse(text)
    if faults:
        raise ConfigError(
            f"{VARIABLE}: {name}: " + "; ".join(fault.message for fault in faults), hint="docs/configuration.md"
        )
    return policy


def parse(text: str) -> tuple[Policy, tuple[Fault, ...]]:
    """Return the policy of a TOML text as far as it is right, and what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        return Policy(), (Fault(message=f"not TOML: {error}", line=int(place[1]) if place else None),)
    reader = _Reader(text)
    policy = reader.policy(document)
    return policy, tuple(reader.faults)


class _Reader:
    """Reads one document, and gathers what is wrong in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.faults: list[Fault] = []

    def policy(self, document: Mapping[str, Any]) -> Policy:
        self._unknown("", document, ("rules", "exceptions", "guards"))
        severities: dict[str, Level] = {}
        options: dict[str, dict[str, Any]] = {}
        for name, settings in self._table("rules", document.get("rules", {})).items():
            rule = rules.BY_ID.get(name)
            if rule is None:
                self._fault(f"rules.{name}: no such rule{_nearest(name, rules.BY_ID)}", name)
                continue
            table = dict(self._table(f"rules.{name}", settings))
            known = {option.name: option for option in rule.OPTIONS}
            self._unknown(f"rules.{name}.", table, ("severity", *known))
            if "severity" in table and (level := self._severity(name, table["severity"])):
                severities[name] = level
            if read := self._options(f"rules.{name}.", known, table):
                options[name] = read
        exceptions = document.get("exceptions", [])
        if not isinstance(exceptions, list):
            self._fault("exceptions: must be a list of tables: [[exceptions]]", "exceptions")
            exceptions = []
        found = (self._exemption(f"exceptions[{number}]", table) for number, table in enumerate(exceptions))
        exemptions = tuple(one for one in found if one)
        return Policy(severities=severities, options=options, exceptions=exemptions, guards=self._guards(document))

    def _guards(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        table = self._table("guards", document.get("guards", {}))
        known = {option.name: option for option in guards.OPTIONS}
        self._unknown("guards.", table, tuple(known))
        return self._options("guards.", known, table)

    def _options(self, prefix: str, known: Mapping[str, rules.Option], table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a table's options as far as they are right."""
        read = {}
        for key, option in known.items():
            if key in table:
                try:
                    read[key] = option.read(table[key])
                except ValueError as error:
                    self._fault(f"{prefix}{key}: {error}, not {table[key]!r}", key)
        return read

    def _severity(self, rule: str, value: Any) -> Level | None:
        if value not in _LEVELS:
            self._fault(f'rules.{rule}.severity: must be "error", "warning" or "off", not {value!r}', rule)
            return None
        if rule in rules.MANDATORY and value != "error":
            self._fault(
                f"rules.{rule}.severity: this rule says what Airflow itself would do with the file; it stays an error",
                rule,
            )
            return None
        level: Level = value
        return level

    def _exemption(self, path: str, value: Any) -> Exemption | None:
        table = self._table(path, value)
        before = len(self.faults)
        self._unknown(f"{path}.", table, _EXCEPTION_KEYS)
        for key in _EXCEPTION_KEYS:
            if not isinstance(table.get(key), str) or not table[key].strip():
                self._fault(f"{path}.{key}: must be a text that is not empty", str(table.get("path", "exceptions")))
        if len(self.faults) > before:
            return None
        if table["rule"] not in rules.BY_ID:
            self._fault(f"{path}.rule: no such rule{_nearest(table['rule'], rules.BY_ID)}", table["rule"])
            return None
        if table["rule"] in rules.MANDATORY:
            self._fault(f"{path}.rule: {table['rule']} cannot have exceptions: Airflow makes none", table["path"])
            return None
        return Exemption(rule=table["rule"], path=table["path"], reason=table["reason"])

    def _table(self, path: str, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._fault(f"{path}: must be a table", path.rpartition(".")[2])
        return {}

    def _unknown(self, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self._fault(f"{prefix}{key}: unknown key{_nearest(key, known)}", key)

    def _fault(self, message: str, word: str) -> None:
        self.faults.append(Fault(message=message, line=_line(self._text, word)))


def _read(path: Path, root: Path) -> tuple[str, Fault | None]:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)) or not folders.is_file(path):
        return "", Fault(message="must be a file of the repository")
    try:
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            return "", Fault(message=f"larger than {_MOST_BYTES >> 20} MiB")
        return data.decode("utf-8"), None
    except (OSError, UnicodeDecodeError) as error:
        return "", Fault(message=f"cannot be read: {error}".replace(f"{root}/", ""))


def _line(text: str, word: str) -> int | None:
    named = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    return next((number for number, line in enumerate(text.splitlines(), 1) if named.search(line)), None)


def _nearest(name: str, known: Any) -> str:
    near: Iterator[str] = iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.4))
    return next((f"; did you mean {one}?" for one in near), "")
