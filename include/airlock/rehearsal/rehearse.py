"""Judges what is live in a sandbox of another image, and compares the two environments. Nothing is published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from airlock import composition, judgement, mirror as mirrors, release as releases, tree
from airlock.errors import OperatorError, UsageError
from airlock.lockfile import artifact, current
from airlock.lockfile.manifest import Manifest
from airlock.mirror import Mirror
from airlock.rehearsal import packages, report as reports
from airlock.rehearsal.report import Environment, Report
from airlock.sandbox import isolation, settings
from airlock.sandbox.container import ContainerLaunch
from airlock.source import Source
from airlock.state import State
from airlock.validate import limits, policy as policies
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge

log = logging.getLogger(__name__)

RECORD = "rehearsal"


def run(source: Source, state: State, image: str, answers: Answers, environ: Mapping[str, str]) -> Report:
    """Return what ``image`` would do to the live revision of a source, and keep that as the source's last rehearsal.

    Raises ``UsageError`` when nothing is live, and ``OperatorError`` (``NoEngine``, ``ImageMissing``,
    ``SandboxFailed``, ``CandidateUnusable``).
    """
    mirror = mirrors.of(state, source)
    live = releases.live_revision(mirror)
    if live is None:
        raise UsageError(
            f"source {source.name}: nothing is live, so there is nothing to rehearse",
            hint="publish a release first",
            reason="NothingLive",
        )
    launch = ContainerLaunch(settings=settings.load(environ), environ=environ, image=image, lockfile={})
    verdict_of_live = mirror.read_verdict(live)
    with isolation.sandboxed(answers, launch, limits=limits.load(environ)) as server:
        _wait(server, image)
        found = artifact.parse(launch.lockfile or {}, subject=f"the lockfile of {image}")
        root = server.scratch / "tree"
        tree.check_out(mirror.path, live, root)
        subject = Subject(
            revision=live,
            root=root,
            subdir=judgement.subdir_of(mirror, live),
            bundle=source.name,
            environment=found.manifest.environment,
            live=verdict_of_live,
            policy=policies.from_environment(environ),
            installed=_versions(found.manifest),
            left_out=composition.left_out(mirror, live),
        )
        verdict = judge(subject, server)
    released = releases.of_revision(mirror, live)
    here = current.observe()
    report = Report(
        source=source.name,
        revision=live,
        release=released.number if released else None,
        image=image,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        running=_environment(here),
        candidate=_environment(found.manifest),
        packages=packages.compare(_versions(here), _versions(found.manifest)),
        effect=reports.effect(verdict_of_live, verdict),
    )
    _keep(mirror, report, {name: data.decode() for name, data in found.files.items()})
    return report


def _wait(server: ForkServer, image: str) -> None:
    try:
        server.wait_until_ready()
    except OperatorError as error:
        raise OperatorError(
            f"candidate {image} cannot validate: {error.message}",
            hint="its Airflow is missing, broken, or one that this Airlock does not know: a newer Airlock may",
            reason="CandidateUnusable",
        ) from error


def _keep(mirror: Mirror, report: Report, lockfile: Mapping[str, str]) -> None:
    with mirror.locked():
        mirror.write_record(RECORD, {**report.to_json(), "lockfile": dict(lockfile)})


def _environment(manifest: Manifest) -> Environment:
    problem = manifest.problem
    return Environment(
        python=manifest.python,
        airflow=manifest.airflow,
        problem=f"incomplete: {problem.reason}: {problem.message}" if problem else "",
    )


def _versions(manifest: Manifest) -> dict[str, str]:
    return {name: contents.version for name, contents in manifest.distributions.items()}
