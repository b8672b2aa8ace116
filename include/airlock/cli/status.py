"""``airlock status``: what is live, the last verdict, the environment."""

from __future__ import annotations

import argparse
import json
import os
import platform
from typing import Any

from airlock import api, status
from airlock.cli import options, report
from airlock.embedded import deployment as deployments, layout, supervision
from airlock.hold import Hold
from airlock.lockfile import artifact, distributions, store
from airlock.state import State
from airlock.status import SourceStatus

HELP = "tell what is live, how the last revision was judged, and which environment runs"
EXAMPLE = "airlock status --json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the status; exit 0 also when the deployment is stopped."""
    state = options.state_of(args)
    found = [status.read_source(state, source) for source in options.sources_of(state)]
    document = {
        **_deployment(state),
        "sources": [source.to_json() for source in found],
        "environment": _environment(state),
    }
    if args.json:
        print(json.dumps(document))
        return 0
    stopped = "is stopped; airlock up starts it" if document["password_file"] else "does not answer"
    print(f"{document['url']} {'is running' if document['running'] else stopped}")
    for source in found:
        print(_text(source))
    environment = document["environment"]
    lockfile = (environment["lock_sha256"] or "")[:12] or "not published yet"
    print(f"environment: Python {environment['python']}, Airflow {environment['airflow']}, lockfile {lockfile}")
    return 0


def _deployment(state: State) -> dict[str, Any]:
    return _elsewhere(state, url) if (url := os.environ.get("AIRLOCK_URL")) else _embedded(state)


def _elsewhere(state: State, url: str) -> dict[str, Any]:
    components = api.health(url)
    return {
        "url": os.environ.get("AIRFLOW__API__BASE_URL", url),
        "state": str(state.root),
        "running": bool(components) and all(status == "healthy" for status in components.values()),
        "components": components,
        "password_file": None,
        "sample": None,
    }


def _embedded(state: State) -> dict[str, Any]:
    place = layout.of(state)
    deployed = deployments.read(place)
    supervisor = supervision.running(place)
    sample = deployed is not None and deployed.is_sample
    return {
        "url": deployed.url if deployed else None,
        "state": str(state.root),
        "running": supervisor is not None and supervisor.phase == "running",
        "components": {watched.name: watched.pid for watched in supervisor.components} if supervisor else {},
        "password_file": str(place.password) if deployed else None,
        "sample": {"upstream": str(place.sample_upstream), "clone": str(place.sample_clone)} if sample else None,
    }


def _environment(state: State) -> dict[str, Any]:
    published = store.read(state.environment)
    installed = distributions.installed()
    airflow = installed.get("apache-airflow")
    return {
        "python": published.artifact.manifest.python if published else platform.python_version(),
        "airflow": published.artifact.manifest.airflow if published else (airflow.version if airflow else None),
        "lock_sha256": published.artifact.manifest.files.get(artifact.PYLOCK) if published else None,
    }


def _text(source: SourceStatus) -> str:
    upstream = (source.upstream_revision or "never fetched")[:12]
    lines = [f"source {source.name}: {source.ref} is at {upstream}"]
    if source.live:
        confirmed = "confirmed" if source.live.confirmed else "not confirmed yet"
        lines.append(
            f"  live: release {source.live.release}, {source.live.revision[:12]}, "
            f"since {source.live.published_at[:19]}Z, {confirmed}"
        )
        if source.live.fails:
            lines.append(f"  LIVE NO LONGER PASSES in this environment: {source.live.fails}")
    else:
        lines.append("  live: nothing yet")
    if (last := source.last_sync) is not None:
        lines.append(f"  last sync: {last.at}: {last.result} ({last.reason}): {last.message}")
    if source.last_verdict:
        lines.append(f"  last verdict: {source.last_verdict.revision[:12]} {source.last_verdict.summary}")
        lines += [f"    {line}" for finding in source.last_verdict.findings for line in report.finding_lines(finding)]
    if source.hold:
        lines.append(f"  {Hold(**source.hold)}; airlock resume ends it")
    if source.question:
        lines.append(f"  {source.question}; see airlock_approval_{source.name} in the UI")
    return "\n".join(lines)
