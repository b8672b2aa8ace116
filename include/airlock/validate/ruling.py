"""Applies the rules to what was observed, as the policies of repository and deployment ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airlock.validate import rules
from airlock.validate.outcome import Observed
from airlock.validate.policy import Policies
from airlock.verdict import Finding, Suppressed


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the rules say: findings that count, those that an exception covers, and which rules could not be applied.

    ``lasting`` is whether all of it would be said again, whatever is going on in the deployment.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    unchecked: tuple[str, ...]
    lasting: bool


def apply(observed: Observed, policies: Policies) -> Ruling:
    """Return what the rules that are on say about a tree."""
    findings: list[Finding] = []
    suppressed: list[Suppressed] = []
    unchecked: list[str] = []
    for rule in rules.ALL:
        if policies.is_off(rule.ID):
            continue
        if rule.ID in rules.NEED_TO_KNOW and (why := rules.NEED_TO_KNOW[rule.ID](observed)):
            unchecked.append(f"{rule.ID}: not checked: {why}")
        for finding in rule.find(observed):
            level = policies.level(rule.ID, finding.file)
            exemption = policies.repository.exemption(rule.ID, finding.file)
            if level != "off":
                is_weaker = finding.severity == "warning" and rule.SEVERITY == "error"
                findings.append(finding if is_weaker else replace(finding, severity=level))
            elif exemption:
                suppressed.append(Suppressed(finding=finding, reason=exemption.reason))
    return Ruling(
        findings=tuple(findings),
        suppressed=tuple(suppressed),
        unchecked=tuple(unchecked),
        lasting=not any(finding.rule in rules.OF_THE_MOMENT for finding in findings),
    )
