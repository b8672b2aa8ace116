"""Applies the rules to what was observed, as the policies of repository and deployment ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from airlock.validate import rules
from airlock.validate.outcome import Observed
from airlock.validate.policy import Policies
from airlock.verdict import Finding, Suppressed

log = logging.getLogger(__name__)


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
        try:
            found = list(rule.find(observed))
        except Exception as error:
            log.exception("rule %s failed", rule.ID)
            findings.append(_failure(rule, error))
            continue
        for finding in found:
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


def _failure(rule: rules.Rule, error: Exception) -> Finding:
    """Return the finding of a rule that cannot stand what a file did: such a revision is not published, whatever the
    policies say.
    """
    return Finding(
        rule=rule.ID,
        severity="error",
        message=f"the rule failed on what a file of this revision did: {type(error).__name__}: {error}",
        hint="a defect of Airlock: the log has the traceback; report it, and undo what is new in this revision",
    )
