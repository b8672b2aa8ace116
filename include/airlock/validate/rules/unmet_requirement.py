"""``unmet-requirement``: the repository's ``requirements.txt`` asks for what this environment does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "unmet-requirement"
SEVERITY: Severity = "warning"
HINT = "add it to the deployment (requirements-extra.txt of its image), or change the requirement"
OPTIONS: tuple[Option, ...] = ()
_FILE = "requirements.txt"
_MOST_BYTES = 1 << 20
_COMMENT = re.compile(r"(^|\s)#.*$")
_PIP_OPTION = re.compile(r"\s--?[a-zA-Z].*$")
_SEPARATORS = re.compile(r"[-_.]+")


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each requirement that is not installed, or in another version."""
    for folder in dict.fromkeys((observed.root, observed.folder)):
        path = folder / _FILE
        is_ours = path.is_file() and path.resolve().is_relative_to(observed.root.resolve())
        if is_ours and path.stat().st_size <= _MOST_BYTES:
            for line, requirement in _requirements(path):
                problem = _problem(observed, requirement)
                if problem:
                    file = observed.relative(path)
                    yield Finding(rule=ID, severity=SEVERITY, file=file, line=line, message=problem, hint=HINT)


def _requirements(path: Path) -> Iterator[tuple[int, Requirement]]:
    """Yield the requirements that name a package; options of pip, files and addresses are none."""
    number, start, joined = 0, 1, ""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        start = start if joined else number
        joined += _COMMENT.sub("", line)
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        text, joined = _PIP_OPTION.sub("", joined).strip(), ""
        try:
            yield start, Requirement(text)
        except InvalidRequirement:
            continue


def _problem(observed: Observed, requirement: Requirement) -> str:
    version = observed.installed.get(_SEPARATORS.sub("-", requirement.name).lower())
    try:
        is_meant = not requirement.url and (requirement.marker is None or requirement.marker.evaluate())
        is_met = version is not None and requirement.specifier.contains(Version(version), prereleases=True)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return ""  # pip alone knows what it would make of this
    if not is_meant or is_met:
        return ""
    if version is None:
        return f"{requirement.name} is not installed"
    return f"{requirement.name}{requirement.specifier} is asked for; {version} is installed"
