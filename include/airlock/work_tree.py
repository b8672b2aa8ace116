"""A working tree on somebody's machine, as ``airlock validate`` looks at it: what is in it, and what changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from airlock import git
from airlock.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Files that differ from a commit, committed or not, and among them those that are gone; untracked files too.

    Paths are relative to the folder that was asked about.
    """

    files: frozenset[str]
    deleted: frozenset[str]


def top(folder: Path) -> Path:
    """Return the top of the work tree of git that ``folder`` lies in; ``folder`` itself outside of any."""
    place = git.around(folder)
    return place[0] if place else folder


def changed_since(folder: Path, revision: str) -> Changed:
    """Return what changed below ``folder`` since it parted from ``revision``; writes nothing.

    Raises ``UsageError`` when the folder is not in a repository, or the revision is not in it.
    """
    place = git.around(folder)
    if place is None:
        raise UsageError(f"{folder} is not in a git repository", hint="leave --changed-since out")
    work_tree, repository = place
    commit = git.commit_of(repository, revision)
    if commit is None:
        raise UsageError(
            f"{revision!r} is no commit, branch or tag of {work_tree}",
            hint="fetch it first; a shallow clone may lack it",
        )
    # What others did since to the branch that is compared with is not a change of this tree.
    merge_base = git.run(repository, "merge-base", commit, "HEAD", check=False)
    base = merge_base.text if merge_base.status == 0 else commit
    options = ("--no-renames", "--no-ext-diff", "-z", base, "--")
    differing = _paths(repository, work_tree, "diff", "--name-only", *options)
    deleted = _paths(repository, work_tree, "diff", "--name-only", "--diff-filter=D", *options)
    untracked = _paths(repository, work_tree, "ls-files", "--others", "--exclude-standard", "--full-name", "-z")
    prefix = os.path.relpath(folder.resolve(), work_tree.resolve())
    return Changed(files=_below(prefix, differing | untracked), deleted=_below(prefix, deleted))


def copy(folder: Path, target: Path, *, submodules: bool = False) -> bool:
    """Copy to ``target`` what a commit of everything below ``folder`` would hold: tracked and new files, none ignored.

    Returns whether it did: ``False`` when ``folder`` is not in a repository, or the one around it ignores it all.
    Submodules are left out, as in a release; with ``submodules`` what is checked out of them is taken as it is tracked
    there, as in a release of a source that takes them.
    """
    place = git.around(folder)
    if place is None:
        return False
    work_tree, repository = place
    prefix = os.path.relpath(folder.resolve(), work_tree.resolve())
    deep = ("--recurse-submodules",) if submodules else ()
    tracked = _paths(repository, work_tree, "ls-files", "--cached", *deep, "--full-name", "-z")
    untracked = _paths(repository, work_tree, "ls-files", "--others", "--exclude-standard", "--full-name", "-z")
    names = _below(prefix, tracked | untracked)
    if not names:
        return False
    target.mkdir()
    made = {target}
    for name in sorted(names):
        source, copied = folder / name, target / name
        if copied.parent not in made:
            copied.parent.mkdir(parents=True, exist_ok=True)
            made.add(copied.parent)
        if source.is_symlink():
            copied.symlink_to(source.readlink())
        elif source.is_file():
            shutil.copyfile(source, copied)
    return True


def _paths(repository: Path, work_tree: Path, *command: str) -> set[str]:
    output = git.run(repository, f"--work-tree={work_tree}", "-C", str(work_tree), *command).stdout
    return {os.fsdecode(path) for path in output.split(b"\0") if path}


def _below(prefix: str, paths: set[str]) -> frozenset[str]:
    if prefix == os.curdir:
        return frozenset(paths)
    return frozenset(path.removeprefix(f"{prefix}/") for path in paths if path.startswith(f"{prefix}/"))
