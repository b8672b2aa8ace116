"""One module per rule: ``ID``, ``SEVERITY``, ``HINT``, and ``find(observed)``, which yields findings.

A rule looks at what was observed and never imports DAG files itself. ``ALL`` is the order in which findings are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airlock.validate.outcome import Observed
from airlock.validate.rules import (
    crash,
    discovery,
    duplicate_dag_id,
    ignore_file,
    import_error,
    link,
    not_serialisable,
    time_out,
)
from airlock.verdict import Finding

Find = Callable[[Observed], Iterator[Finding]]

ALL = (link, ignore_file, discovery, crash, time_out, import_error, not_serialisable, duplicate_dag_id)
FINDERS: tuple[Find, ...] = tuple(rule.find for rule in ALL)
