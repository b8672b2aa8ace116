"""``airlock show``: one verdict, with what the revision changes in DAG terms."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from airlock import mirror as mirrors, release as releases, source as sources
from airlock.cli import options, report
from airlock.errors import UpstreamError, UsageError
from airlock.release import Release
from airlock.text import one_line

HELP = "show the verdict on one revision: findings, and what it changes in DAG terms"
EXAMPLE = "airlock show main"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("revision", metavar="REV", help="release number, commit, branch or tag; `live` is what is live")
    parser.add_argument("--source", metavar="SOURCE", help="name of the source (default: the only one)")
    options.add_state(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the verdict; exit 1 when it rejects the revision."""
    state = options.state_of(args)
    mirror = mirrors.of(state, sources.named(options.sources_of(state), args.source))
    revision = _revision(mirror, args.revision)
    verdict = mirror.read_verdict(revision)
    if verdict is None:
        raise UsageError(
            f"revision {revision[:12]} was not judged yet",
            hint=f"judge it with airlock sync --ref {args.revision} --dry-run",
        )
    if args.json:
        print(report.document(verdict))
    else:
        for release in releases.history(mirror):
            if release.revision == revision:
                print("\n".join(_release_lines(release)))
        print(report.text(verdict, colour=report.is_colourful()))
    return 0 if verdict.result == "passed" else 1


def _release_lines(release: Release) -> Iterator[str]:
    yield f"release {release.number}, {release.published_at[:19]}Z, {releases.told(release)}"
    yield f"  previous: {(release.previous or 'none')[:12]}; verdict then: {release.summary}"
    yield f"  environment: {release.environment}; pylock.toml: {release.lock[:12] or 'none was published'}"
    for line in release.changes:
        yield f"  {one_line(line)}"


def _revision(mirror: mirrors.Mirror, name: str) -> str:
    if not mirror.exists():
        raise UsageError(f"source {mirror.source.name} was never synced", hint="airlock sync --wait")
    if name == "live":
        live = releases.live_revision(mirror)
        if live is None:
            raise UsageError("nothing is live yet", hint="airlock status tells why")
        return live
    if name.isdigit() and len(name) < 7:
        for release in releases.history(mirror):
            if release.number == int(name):
                return release.revision
    try:
        return mirror.resolve(name)
    except UpstreamError as error:
        raise UsageError(
            f"{name!r} is no release number, commit, branch or tag of source {mirror.source.name}",
            hint="airlock history lists releases",
        ) from error
