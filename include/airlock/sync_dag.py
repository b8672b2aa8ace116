"""Builds the sync DAG of one source. Wiring only; its documentation is the page that people read in the UI."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, AssetAlias, AssetWatcher, Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from airlock import placement
from airlock.errors import AirlockError, ConfigError, OperatorError
from airlock.source import Source
from airlock.validate import limits
from airlock.watcher import SourceWatcher

if TYPE_CHECKING:
    from airlock.sync import Outcome

log = logging.getLogger(__name__)

_SHARED = """
Where there is more to import than `AIRLOCK_VALIDATE_SHARD_FILES`, `sync` leaves it to several tasks `import_shard`, and
`conclude` does what `sync` would have done. Most times there is not, and both are skipped.
"""
_REF = r"^$|^[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,243}$"
_DOC = """
Follows {follows} of source **{name}**. A push is noticed within about {poll:g} seconds; nothing runs while
nothing changes.

| task | does |
|---|---|
| `sync` | fetches, imports every DAG file of the new revision in isolation, and publishes it if no rule objects |
| `confirm` | waits until the DAG processor shows the release; rolls back one that it cannot import |
{shared}
* **A red `sync`** is a rejected revision, or a repository that cannot be reached. What is live stays live. The log
lists each finding with its file, line, rule and a hint; so does `airlock show REVISION`.
* **Sync now**: *Trigger*. The form takes another branch, tag or commit, a forced validation of a revision that was
judged before, or a dry run that publishes nothing. Another ref stays live until what is followed moves.
* A release emits an asset event of `airlock_release_{name}`; schedule your own DAGs on it.
"""


def build(source: Source) -> DAG:
    """Return the sync DAG of a source; with tasks that share its imports where the deployment wants that."""
    shares = _shares()
    upstream = Asset(
        name=f"airlock_upstream_{source.name}",
        uri=f"airlock://upstream/{source.name}",
        group="airlock",
        watchers=[AssetWatcher(name="upstream", trigger=SourceWatcher(name=source.name, kwargs=_kwargs(source)))],
    )

    @dag(
        dag_id=f"airlock_sync_{source.name}",
        schedule=[upstream],
        max_active_runs=1,
        catchup=False,
        is_paused_upon_creation=False,
        tags=["airlock"],
        doc_md=_DOC.format(
            name=source.name,
            follows=source.follows,
            poll=source.poll_interval_s,
            shared=_SHARED if shares else "",
        ),
        default_args=placement.default_args(os.environ),
        params={
            # Without "null" the form asks for something in each field, and does not let a plain sync go.
            "ref": Param(
                "",
                type=["null", "string"],
                pattern=_REF,
                title="Ref",
                description=f"Branch, tag or commit; empty means {source.follows}",
            ),
            "force": Param(
                default=False,
                type="boolean",
                title="Force",
                description="Validate again, also if this revision was judged before",
            ),
            "dry_run": Param(
                default=False, type="boolean", title="Dry run", description="Validate and publish nothing"
            ),
            "reason": Param(
                "", type=["null", "string"], maxLength=500, title="Reason", description="Kept in the release's record"
            ),
        },
    )
    def pipeline() -> None:
        if not shares:
            confirm(sync(source.name))  # type: ignore[arg-type] # an XComArg stands for its value
            return
        shards: Any = sync_or_share(source.name)
        concluded: Any = conclude(source.name)
        import_shard.partial(name=source.name).expand(shard=shards) >> concluded
        confirm(shards["outcome"], concluded)

    return pipeline()


def _shares() -> bool:
    with suppress(ConfigError):  # the sync tells of it
        return limits.load(os.environ).shard_files > 0
    return False


@task(outlets=[AssetAlias("airlock_release")])
def sync(name: str) -> dict[str, Any]:
    """Fetch, validate and publish."""
    return _sync(name)


@task(task_id="sync", outlets=[AssetAlias("airlock_release")])
def sync_or_share(name: str) -> list[dict[str, Any]]:
    """Do the same, or return who is to import what before; Airflow maps over what a task returns, nothing else."""
    from airlock.sharing import Postponed

    try:
        _sync(name, shares=True)
    except Postponed as postponed:
        log.info("%s", postponed)
        get_current_context()["ti"].xcom_push(key="outcome", value={})  # None would be "not found"
        return postponed.shards(limits.load(os.environ).shard_files)
    return []


@task(retries=2, retry_delay=timedelta(seconds=5), map_index_template="{{ part }}")
def import_shard(name: str, shard: dict[str, Any]) -> str:
    """Import a part of the DAG files of a revision, and hand over what came of it."""
    from airlock import sync_task

    context = get_current_context()
    context["part"] = f"{shard['number'] + 1}: {len(shard['files'])} files"  # type: ignore[typeddict-unknown-key]
    return sync_task.import_shard(name, shard, context, os.environ)


@task(outlets=[AssetAlias("airlock_release")])
def conclude(name: str) -> dict[str, Any]:
    """Sync with what the shards have handed over."""
    return _sync(name)


def _sync(name: str, *, shares: bool = False) -> dict[str, Any]:
    from airlock import sync_task

    context = get_current_context()
    try:
        outcome = sync_task.run(name, context, os.environ, shares=shares)
    except AirlockError as error:  # the command line tells it; a full disk keeps the mirror from recording it
        context["ti"].xcom_push(key="failure", value=str(error))
        raise
    announce(context, outcome)
    if outcome.result == "rejected":
        raise AirflowFailException(f"{outcome.reason}: {outcome.message}")
    return outcome.to_json()


# A worker that is killed while it waits costs a retry, not the confirmation.
@task(retries=2, retry_delay=timedelta(seconds=5), trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def confirm(outcome: dict[str, Any] | None, concluded: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Wait until the DAG processor shows the release."""
    from airlock import sync_task

    try:
        return sync_task.confirm(outcome or concluded or {}, get_current_context(), os.environ)
    except OperatorError as error:
        if error.reason == "WorseThanJudged":  # all was done: another try would see another release
            raise AirflowFailException(str(error)) from error
        raise


def announce(context: Mapping[str, Any], outcome: Outcome) -> None:
    """Tell the command line how a task ended, and whoever schedules on releases that there is a new one."""
    context["ti"].xcom_push(key="outcome", value=outcome.to_json())
    if outcome.result == "published":
        name = outcome.source
        release = Asset(name=f"airlock_release_{name}", uri=f"airlock://release/{name}", group="airlock")
        extra: dict[str, Any] = {"source": name, "revision": outcome.revision, "release": outcome.release}
        context["outlet_events"][AssetAlias("airlock_release")].add(release, extra=extra)


def _kwargs(source: Source) -> dict[str, Any]:
    usual = asdict(Source(name=source.name))
    return {key: value for key, value in asdict(source).items() if value != usual[key]}
