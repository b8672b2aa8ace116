"""Immutable trees of releases on disk: made beside, renamed into place, and cheap where little changed.

A tree is a checkout of one commit without ``.git``. Files that did not change since the previous release are hard
links to it and so keep their modification time; changed files, and files named as affected, get a new one. The DAG
processor parses files again by modification time.

Steps of making a tree, and what a crash after each leaves behind:

1. subdir, staging: a small file about a tree that is not there, and a folder that the next user of it removes.
2. manifest: a record of a tree that is not there; the next attempt replaces it, housekeeping removes it.
3. rename: the tree, complete.

Steps of mending one: each file is replaced by rename, the manifest comes last. A crash leaves a tree that is damaged
less, or whole without a manifest that says so; the next look mends or records it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airlock import folders, git, manifest, scratch
from airlock.errors import StateError

log = logging.getLogger(__name__)

# A parse that is under way when the release switches is stored under the new version (AIRFLOW issue: the version is
# read when the result is collected). A time this far ahead makes the DAG processor parse a changed file again soon
# after.
_LEAD_S = 3.0
COMPOSED = "refs/trees/"  # and the commit: the tree that stands for the commit's own
SUBMODULE = "160000"
_SYMLINK = "120000"
_STAGING = "staging"  # beside the trees: Airflow counts what lies among them
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a commit: its path, git mode (octal digits) and object name."""

    path: str
    mode: str
    sha: str


def of(repository: Path, revision: str) -> str:
    """Return the name of what is checked out for a commit: a tree that was composed for it, else the commit itself."""
    return composed(repository, revision) or revision


def composed(repository: Path, revision: str) -> str:
    """Return the object name of the tree that ``airlock.composition`` made for a commit, empty where there is none.

    Raises ``CommandFailed`` when that cannot be told: the commit's own tree would be the wrong one.
    """
    return git.run(repository, "for-each-ref", "--format=%(objectname)", f"{COMPOSED}{revision}").text


def entries(repository: Path, revision: str) -> dict[str, Entry]:
    """Return the files of the tree of a commit by path, symbolic links and submodules that were left out included."""
    return listed(repository, of(repository, revision))


def listed(repository: Path, name: str) -> dict[str, Entry]:
    """Return the files of a tree or of a commit as it is, by path."""
    records = git.run(repository, "ls-tree", "-r", "-z", "--full-tree", name).stdout
    found = {}
    for record in records.split(b"\0"):
        if record:
            meta, _, raw = record.partition(b"\t")
            mode, _, sha = meta.decode().split(" ")
            path = os.fsdecode(raw)
            found[path] = Entry(path=path, mode=mode, sha=sha)
    return found


def check_out(repository: Path, revision: str, target: Path) -> None:
    """Write all files of a commit into ``target``, which must not exist.

    Raises ``StateError`` when the disk is full or not writable; ``target`` may then be incomplete.
    """
    _write(repository, revision, target, paths=None)


def materialise(
    repository: Path,
    revision: str,
    trees: Path,
    *,
    subdir: str | None = None,
    previous: str | None = None,
    affected: Iterable[str] = (),
) -> Path:
    """Make sure that the tree of a commit stands complete at ``trees/<revision>`` and return that path.

    ``subdir`` is the folder of it that holds the DAG files, ``None`` where that is not known. ``previous`` is a
    revision whose tree may stand there too; ``affected`` are paths whose content is the same but
    that have to be parsed again. A tree that stands there is mended where it is damaged. Several processes of
    several containers may do this at once.
    """
    final = trees / revision
    try:
        trees.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk_error(trees, error) from error
    _write_subdir(final, subdir)
    if final.is_dir():
        mend(repository, revision, trees)
        return final
    base = trees / previous if previous else None
    kept: set[str] = set()
    if base and previous and base.is_dir():
        mend(repository, previous, trees)  # a damaged file would be linked from here to the new tree
        kept = _unchanged(repository, previous, revision, set(affected))
    wanted = entries(repository, revision)
    with scratch.directory(trees.with_name(_STAGING)) as place:
        staging = place / revision
        try:
            linked = _link(base, staging, sorted(kept)) if base else set()
            fresh = [path for path in wanted if path not in linked]
            _write(repository, revision, staging, paths=fresh)
            soon = time.time() + _LEAD_S
            for path in fresh:
                if wanted[path].mode not in (_SYMLINK, SUBMODULE):
                    os.utime(staging / path, (soon, soon))
            manifest.write(final, manifest.take(staging, known=manifest.read(base) if base else None))
            staging.rename(final)
        except OSError as error:
            if not final.is_dir():  # otherwise another process was faster, and its tree is as good
                raise _disk_error(final, error) from error
    _write_subdir(final, subdir)  # again: housekeeping may have taken it for one whose tree is gone
    return final


def _write_subdir(tree: Path, subdir: str | None) -> None:
    try:
        if subdir is not None:
            manifest.write_subdir(tree, subdir)
    except OSError as error:
        raise _disk_error(tree, error) from error


def mend(repository: Path, revision: str, trees: Path, *, thorough: bool = False) -> frozenset[str]:
    """Make the files of a tree that somebody or the disk damaged right again, and return their names.

    Each file is replaced in one step, so that who reads the tree meanwhile has the old file or the right one. What is
    not of the commit goes. ``thorough`` looks at the content of every file.
    """
    tree = trees / revision
    damaged = manifest.damage(tree, thorough=thorough)
    if damaged is not None and not damaged:
        return damaged
    with scratch.directory(trees.with_name(_STAGING)) as place:
        right = place / revision
        _write(repository, revision, right, paths=None)
        try:
            wrong = _replace_wrong(right, tree, grave=place)
            manifest.write(tree, manifest.take(tree))
        except OSError as error:
            raise _disk_error(tree, error) from error
    if wrong:
        log.warning("%s was damaged and is mended: %s", tree, ", ".join(sorted(wrong)[:_SHOWN]))
    return frozenset(wrong)


def remove(tree: Path) -> None:
    """Remove the tree of a revision from disk in one step, then its manifest. One that is not there is no error.

    Raises ``StateError`` when the disk refuses.
    """
    try:
        if tree.is_dir():
            with scratch.directory(tree.parent.with_name(_STAGING)) as grave:
                tree.rename(grave / tree.name)  # a killed clean-up leaves it to the next user of the folder
                folders.remove(grave / tree.name)
        manifest.remove(tree)
    except OSError as error:
        raise _disk_error(tree, error) from error


def _replace_wrong(right: Path, tree: Path, *, grave: Path) -> set[str]:
    wanted, present = manifest.take(right), manifest.take(tree)
    extra = present.keys() - wanted.keys()
    for path in extra:
        (tree / path).unlink(missing_ok=True)
    wrong = {path for path, (look, digest) in wanted.items() if not _is_as(present.get(path), look, digest)}
    soon = time.time() + _LEAD_S
    for number, path in enumerate(sorted(wrong)):
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            target.rename(grave / f"{number}")
        os.utime(right / path, (soon, soon), follow_symlinks=False)
        (right / path).replace(target)
    return wrong | extra


def _is_as(present: tuple[manifest.Look, str] | None, look: manifest.Look, digest: str) -> bool:
    return present is not None and (present[0][0], present[0][2], present[1]) == (look[0], look[2], digest)


def _unchanged(repository: Path, previous: str, revision: str, affected: set[str]) -> set[str]:
    before, after = entries(repository, previous), entries(repository, revision)
    attributes = {path for path in before.keys() | after.keys() if path.rpartition("/")[2] == ".gitattributes"}
    if any(before.get(path) != after.get(path) for path in attributes):
        return set()  # they decide how content is written out
    return {
        path
        for path, entry in after.items()
        if before.get(path) == entry and path not in affected and entry.mode != SUBMODULE
    }


def _link(base: Path, staging: Path, paths: list[str]) -> set[str]:
    linked = set()
    made: set[Path] = set()
    for path in paths:
        target = staging / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with suppress(OSError):  # gone, or a file system without links: it is written anew
            os.link(base / path, target, follow_symlinks=False)
            linked.add(path)
    return linked


def _write(repository: Path, revision: str, target: Path, *, paths: list[str] | None) -> None:
    """Write files of a commit below ``target`` through an index of its own; ``paths`` of ``None`` means all."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        # The index lies beside the target, so that concurrent checkouts of one repository do not meet.
        index = target.with_name(f"{target.name}.index")
        variables = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(target)}
        try:
            git.run(repository, "read-tree", of(repository, revision), env=variables)
            which = ["--all"] if paths is None else ["-z", "--stdin"]
            names = b"" if paths is None else b"".join(os.fsencode(path) + b"\0" for path in paths)
            if paths is None or paths:
                git.run(
                    repository,
                    "checkout-index",
                    "--quiet",
                    "--force",
                    f"--prefix={target}/",
                    *which,
                    stdin=names,
                    env=variables,
                )
        finally:
            index.unlink(missing_ok=True)
    except OSError as error:
        raise _disk_error(target, error) from error


def _disk_error(path: Path, error: OSError) -> StateError:
    return StateError(
        f"{error.filename or path} cannot be written: {error.strerror}", hint="free space, or check the permissions"
    )
