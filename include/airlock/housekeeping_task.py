"""The bodies of the housekeeping DAG's tasks: what the parameters say, done to every source, and told in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from airlock import approval, composition, mirror as mirrors, needs, source as sources, state as states
from airlock.housekeeping import logs as old_logs, metadata as old_metadata, repositories as packed, trees as old_trees
from airlock.housekeeping.removal import tell
from airlock.mirror import Mirror

log = logging.getLogger(__name__)


def trees(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Remove trees of old releases that no unfinished run needs, and composed trees of revisions that were never one.

    Raises ``TransientError`` when the DAG processor does not tell what unfinished runs need.
    """
    state = states.from_environment(environ)
    removed = {}
    for mirror in _mirrors(environ):
        needed = partial(needs.of_unfinished_runs, state.enquiry(mirror.source.name))
        removal = old_trees.remove_old(state, mirror, keep=params["releases"], needed=needed, dry_run=params["dry_run"])
        if not params["dry_run"]:
            question = approval.read(mirror)
            asked = question.revision if question else None
            composition.prune(mirror, keep=(mirror.upstream_revision(), mirror.judged_revision(), asked))
        removed[mirror.source.name] = tell(removal, subject=f"trees of source {mirror.source.name}").to_json()
    return removed


def repositories(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Pack the state's repositories; a dry run leaves them as they are."""
    if params["dry_run"]:
        log.info("a dry run packs nothing")
        return {}
    shrunk = {}
    for mirror in _mirrors(environ):
        with mirror.alone():
            shrunk[mirror.path.name] = packed.pack(mirror.path)
    environment = states.from_environment(environ).environment
    if environment.exists():
        shrunk[environment.name] = packed.pack(environment)
    for name, size in shrunk.items():
        log.info("%s is %.1f MB smaller", name, size / 1e6)
    return shrunk


def logs(params: Mapping[str, Any]) -> dict[str, Any]:
    """Remove old task logs."""
    from airflow.configuration import conf

    folder = Path(conf.get("logging", "base_log_folder"))
    removal = old_logs.remove_old(folder, days=params["log_days"], dry_run=params["dry_run"])
    return tell(removal, subject=f"task logs in {folder}").to_json()


def metadata(params: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Remove old rows of Airflow's database."""
    log.info("%s", old_metadata.clean(environ, days=params["metadata_days"], dry_run=params["dry_run"]))


def _mirrors(environ: Mapping[str, str]) -> list[Mirror]:
    state = states.from_environment(environ)
    return [mirror for source in sources.load(environ) if (mirror := mirrors.of(state, source)).exists()]
