"""The tree of a revision where it is another than the commit's own: with its submodules, or only some of its folders.

Such a tree is one object of git, ``refs/trees/<commit>`` keeps it, and everything that looks into a revision looks into
it (``tree.of``). What was published once keeps its tree: a run of it has to find the code that it started with. Where
the source wants another one since, a commit of our own stands for it (``airlock.variant``).

Steps, and what a crash after each leaves behind:

1. fetch of a submodule: commits at which nobody looks yet, kept for the next fetch by ``refs/submodules/*``.
2. tree: objects that nothing refers to.
3. tree on disk: an unpublished revision whose tree is made when it is needed.
4. ref: the tree, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airlock import git, release as releases, scratch, submodules, tree, variant
from airlock.credentials import Access
from airlock.errors import StateError
from airlock.mirror import Mirror
from airlock.tree import Entry

_NONE = "0" * 40


def compose(mirror: Mirror, revision: str, upstream: Access, trees: Path) -> str:
    """Make the tree of a revision as its source wants it, and return the commit that stands for it. Call it inside
    ``mirror.fetching()``; ``trees`` is where trees stand on disk.

    That is the revision, or a ``variant`` of it, where it was published with another tree or ``subdir``. Raises
    ``UpstreamError`` that names the submodule which cannot be had, ``StateError`` (``FolderMissing``) when the revision
    lacks a folder of ``sparse``.
    """
    wanted = _make(mirror, revision, upstream) if mirror.source.takes else ""
    with mirror.locked():
        present = tree.composed(mirror.path, revision)
        if released := releases.of_revision(mirror, revision):
            is_same = wanted == present and released.subdir in (None, mirror.source.subdir)
            return revision if is_same else variant.make(mirror, revision, wanted)
        if wanted != present:
            tree.remove(trees / revision)  # it was made of another composition, and never published
            ref = f"{tree.COMPOSED}{revision}"
            git.move_refs(mirror.path, [f"update {ref} {wanted}" if wanted else f"delete {ref}"])
    return revision


def left_out(mirror: Mirror, revision: str) -> str:
    """Tell what the tree of a revision lacks of the repository, and how to have it; empty when it lacks nothing."""
    source = mirror.source
    links = [entry.path for entry in tree.entries(mirror.path, revision).values() if entry.mode == tree.SUBMODULE]
    told = []
    if links:
        way = (
            "push another commit, this one was published without them"
            if source.submodules
            else "set submodules to true"
        )
        told.append(f"the source leaves out submodules ({', '.join(sorted(links))}): {way}")
    if source.sparse:
        told.append(f"the source takes only {', '.join(source.sparse)}: add a folder to sparse")
    return "; ".join(told)


def prune(mirror: Mirror, *, keep: Iterable[str | None]) -> int:
    """Remove the trees of revisions that were never published, but those of ``keep``; return how many there were."""
    with mirror.locked():
        names = git.run(mirror.path, "for-each-ref", "--format=%(refname)", tree.COMPOSED).text.split()
        kept = {*keep, *releases.published(mirror)}
        old = [name for name in names if name.removeprefix(tree.COMPOSED) not in kept]
        if old:
            git.move_refs(mirror.path, [f"delete {name}" for name in old])
    return len(old)


def _make(mirror: Mirror, revision: str, upstream: Access) -> str:
    """Return the object name of a revision's tree with its submodules and folders, empty where it is its own."""
    with scratch.directory(mirror.path.with_name(git.STAGING)) as place:
        indexes = (place / f"{number}.index" for number in range(10_000))
        composer = _Composer(mirror=mirror, upstream=upstream, indexes=indexes)
        made = composer.tree(revision, upstream.url, path="", level=0)
    own = git.run(mirror.path, "rev-parse", f"{revision}^{{tree}}").text
    return "" if made == own else made


@dataclass(frozen=True, kw_only=True)
class _Composer:
    mirror: Mirror
    upstream: Access
    indexes: Iterator[Path]

    def tree(self, commit: str, url: str, *, path: str, level: int) -> str:
        """Return the tree of a commit of the repository at ``url``, which lies at ``path`` of the source's."""
        repository, source = self.mirror.path, self.mirror.source
        entries = tree.listed(repository, commit)
        dropped = [] if path else _outside(self.mirror, commit, entries)
        links = [entry for entry in entries.values() if entry.mode == tree.SUBMODULE and entry.path not in dropped]
        taken = links if source.submodules else []
        if not dropped and not taken:
            return git.run(repository, "rev-parse", f"{commit}^{{tree}}").text
        index = next(self.indexes)
        variables = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(index.parent)}
        git.run(repository, "read-tree", commit, env=variables)
        gone = [*dropped, *(link.path for link in taken)]
        lines = b"".join(f"0 {_NONE}\t".encode() + name.encode("utf-8", "surrogateescape") + b"\0" for name in gone)
        git.run(repository, "update-index", "-z", "--index-info", stdin=lines, env=variables)
        urls = submodules.urls(self.mirror, commit) if taken else {}
        for link in taken:
            whole = f"{path}{link.path}"
            where = submodules.address(
                self.mirror, self.upstream, urls.get(link.path, ""), url, path=whole, level=level
            )
            submodules.fetch(self.mirror, self.upstream, where, link.sha, path=whole)
            below = self.tree(link.sha, where, path=f"{whole}/", level=level + 1)
            git.run(repository, "read-tree", f"--prefix={link.path}/", below, env=variables)
        return git.run(repository, "write-tree", env=variables).text


def _outside(mirror: Mirror, commit: str, entries: dict[str, Entry]) -> list[str]:
    """Return the files that are in no folder of ``sparse``; those beside such a folder and above it are taken."""
    folders = {PurePosixPath(folder) for folder in mirror.source.sparse}
    if not folders:
        return []
    above = {parent for folder in folders for parent in folder.parents}
    parents = {path: PurePosixPath(path).parents for path in entries}
    present = {parent for each in parents.values() for parent in each} | {
        PurePosixPath(path) for path, entry in entries.items() if entry.mode == tree.SUBMODULE
    }
    if missing := sorted(str(folder) for folder in folders - present):
        raise StateError(
            f"{mirror.subject}: revision {commit[:12]} has no directory {missing[0]!r}, which sparse names",
            hint="correct sparse, or push the folder",
            reason="FolderMissing",
        )
    return [
        path
        for path, each in parents.items()
        if each[0] not in above and not folders.intersection((*each, PurePosixPath(path)))
    ]
