"""One module per rule: ``ID``, ``SEVERITY``, ``HINT``, ``OPTIONS`` and ``find(observed)``, which yields findings.

A rule looks at what was observed and never imports DAG files itself. ``ALL`` is the order in which findings are listed.
A rule whose own severity is ``error`` may give a finding as a ``warning``; it stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, cast

from airlock.validate.option import Option as Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import (
    airflow_write,
    cluster_policy,
    crash,
    deprecated_api,
    discovery,
    duplicate_dag_id,
    ignore_file,
    import_budget,
    import_error,
    left_running,
    link,
    lost_dags,
    missing_package,
    moved_file,
    network,
    not_serialisable,
    owner,
    policy_file,
    retries,
    secret,
    tags,
    time_out,
    unknown_pool,
    unmet_requirement,
    version_inflation,
    write,
)
from airlock.verdict import Finding, Severity


class Rule(Protocol):
    """What every module of this package has."""

    ID: str
    SEVERITY: Severity
    HINT: str
    OPTIONS: tuple[Option, ...]

    @staticmethod
    def find(observed: Observed, /) -> Iterator[Finding]:
        """Yield what the rule has to say."""


ALL: tuple[Rule, ...] = cast(
    "tuple[Rule, ...]",
    (
        policy_file,
        link,
        ignore_file,
        discovery,
        crash,
        time_out,
        missing_package,
        cluster_policy,
        import_error,
        not_serialisable,
        duplicate_dag_id,
        secret,
        network,
        write,
        airflow_write,
        left_running,
        lost_dags,
        moved_file,
        unknown_pool,
        version_inflation,
        import_budget,
        deprecated_api,
        unmet_requirement,
        owner,
        tags,
        retries,
    ),
)
BY_ID: Mapping[str, Rule] = {rule.ID: rule for rule in ALL}

# They say what Airflow itself would do with the files, or would do wrong: no policy can make that untrue.
MANDATORY = frozenset(
    rule.ID
    for rule in (
        policy_file,
        link,
        ignore_file,
        discovery,
        crash,
        time_out,
        missing_package,
        cluster_policy,
        import_error,
        not_serialisable,
        duplicate_dag_id,
        secret,
    )
)
# They depend on what happens to be going on: the same revision may be judged otherwise an hour later.
OF_THE_MOMENT = frozenset({moved_file.ID})
# Why a rule cannot be applied here; empty when it can, or when it would have nothing to say.
NEED_TO_KNOW: Mapping[str, Callable[[Observed], str]] = {
    unknown_pool.ID: unknown_pool.why_unchecked,
    moved_file.ID: moved_file.why_unchecked,
    deprecated_api.ID: deprecated_api.why_unchecked,
}
