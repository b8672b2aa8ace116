"""The body of the rehearsal DAG's task: a rehearsal as the run's parameters say, told in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airlock import source as sources, stack, state as states
from airlock.rehearsal import rehearse, report as reports
from airlock.rehearsal.report import Report
from airlock.validate.answers import Answers

log = logging.getLogger(__name__)


def run(params: Mapping[str, Any], environ: Mapping[str, str]) -> Report:
    """Rehearse an upgrade and log the report, errors first.

    Raises ``AirlockError`` when the rehearsal could not take place.
    """
    source = sources.named(sources.load(environ), params["source"] or None)
    report = rehearse.run(
        source, states.from_environment(environ), params["image"].strip(), Answers(stack.resolve), environ
    )
    log.log(logging.INFO if report.is_good else logging.ERROR, "%s", report.summary)
    for line in reports.to_markdown(report).splitlines():
        log.info("%s", line)
    return report
