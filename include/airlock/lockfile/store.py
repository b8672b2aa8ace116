"""The published lockfile and its history: branch ``lockfile`` of the bare repository ``State.environment``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock import git
from airlock.errors import CommandFailed, TransientError
from airlock.lockfile import artifact
from airlock.lockfile.artifact import NAMES, Artifact
from airlock.lockfile.manifest import Manifest

REF = "refs/heads/lockfile"
_NOTHING = "0" * 40


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published lockfile: the commit that holds it, when it was published (ISO 8601, UTC), and its files."""

    commit: str
    published_at: str
    artifact: Artifact


def commit_of(repository: Path) -> str | None:
    """Return the commit of the published lockfile, ``None`` before the first time: the cheapest question there is."""
    return git.commit_of(repository, REF) if repository.is_dir() else None


def read(repository: Path) -> Published | None:
    """Return what is published, ``None`` before the first time. All files are of the same commit.

    Raises ``StateError`` when what is published is damaged, or of another format.
    """
    commit = commit_of(repository)
    if commit is None:
        return None
    present = git.run(repository, "ls-tree", "--name-only", "-z", commit).stdout.decode().split("\0")
    blobs = {name: git.read_blob(repository, f"{commit}:{name}") for name in NAMES if name in present}
    date = ("--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ")
    return Published(
        commit=commit,
        published_at=git.run(repository, "show", *date, commit, env={"TZ": "UTC"}).text,
        artifact=artifact.parse(
            {name: data for name, data in blobs.items() if data is not None},
            subject=f"the published lockfile ({commit[:12]})",
        ),
    )


def publish(repository: Path, new: Artifact, *, expected: str | None, changes: Sequence[str] = ()) -> str:
    """Publish ``new`` in place of the commit ``expected`` and return the commit that is published then.

    It is ``expected`` itself when that has the same files. A process that dies on the way leaves the old lockfile,
    whole, and at most some objects that nothing refers to.

    Raises ``TransientError`` (``PublishedMeanwhile``) when another lockfile was published since ``expected`` was.
    """
    git.init_bare(repository)
    entries = [f"100644 blob {git.write_blob(repository, data)}\t{name}\n" for name, data in new.files.items()]
    tree = git.run(repository, "mktree", stdin="".join(entries).encode()).text
    if expected is not None and git.run(repository, "rev-parse", f"{expected}^{{tree}}").text == tree:
        return expected
    parent = ["-p", expected] if expected else []
    message = "\n".join([_title(new.manifest), "", *changes, f"environment: {new.manifest.environment}", ""])
    commit = git.run(repository, "commit-tree", tree, *parent, stdin=message.encode()).text
    # Until here nothing is visible. The next line is the publication, all or nothing.
    try:
        git.move_refs(repository, [f"update {REF} {commit} {expected or _NOTHING}"])
    except CommandFailed as error:
        if commit_of(repository) == expected:
            raise
        raise TransientError(
            "another lockfile was published meanwhile", hint="the next run compares again", reason="PublishedMeanwhile"
        ) from error
    return commit


def changes(old: Manifest | None, new: Manifest) -> tuple[str, ...]:
    """Return one line for each distribution that was added, removed or has another version; none without ``old``."""
    if old is None:
        return ()
    before = {name: contents.version for name, contents in old.distributions.items()}
    after = {name: contents.version for name, contents in new.distributions.items()}
    lines = [f"added {name} {after[name]}" for name in sorted(after.keys() - before.keys())]
    lines += [f"removed {name} {before[name]}" for name in sorted(before.keys() - after.keys())]
    lines += [
        f"changed {name} {before[name]} to {after[name]}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]
    return tuple(lines)


def _title(manifest: Manifest) -> str:
    title = f"Lockfile of Python {manifest.python}, Airflow {manifest.airflow or 'none'}"
    return title if manifest.problem is None else f"{title} (incomplete: {manifest.problem.reason})"
