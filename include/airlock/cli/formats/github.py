"""``github``: workflow commands of GitHub Actions, which show findings as annotations in a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from airlock.verdict import Finding, Verdict


def render(verdict: Verdict, prefix: str) -> str:
    """Return one command per finding, and the summary as a last line."""
    lines = [_command(finding, prefix) for finding in verdict.findings]
    lines += [
        f"::notice title=airlock {_property(one.finding.rule)} (suppressed)::"
        f"{_data(f'{one.finding.place}: {one.finding.message} ({one.reason})')}"
        for one in verdict.suppressed
    ]
    lines += [f"::notice title=airlock::{_data(text)}" for text in verdict.unchecked]
    return "\n".join([*lines, verdict.summary])


def _command(finding: Finding, prefix: str) -> str:
    properties = {"title": f"airlock {finding.rule}"}
    if finding.file is not None:
        properties = {"file": f"{prefix}{finding.file}", "line": str(finding.line or 1), **properties}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    text = f"{finding.message}\nhint: {finding.hint}" if finding.hint else finding.message
    return f"::{finding.severity} {told}::{_data(text)}"


def _data(text: str) -> str:
    """Return a message in which nothing ends the command: a DAG file chooses what its exception says."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
