"""A commit of our own that stands for one of upstream's which was published before, with another tree or DAG folder.

Airflow knows a release by its commit, and a run goes on with the commit that it started with. So the same commit cannot
be published with other content: another one is, which is made anew, always the same, whenever it is needed.
"""

from __future__ import annotations

import re

from airlock import git
from airlock.mirror import Mirror

_MESSAGE = "{revision} with {settings}\n\nMade by Airlock: the commit was published before with other settings."
_MADE = re.compile(r"(?P<revision>[0-9a-f]{40,64}) with .*\n\nMade by Airlock: .*", re.DOTALL)


def make(mirror: Mirror, revision: str, tree: str) -> str:
    """Return the commit that stands for ``revision`` with this tree (empty: its own) under the source's settings."""
    source = mirror.source
    settings = "; ".join(filter(None, (f"subdir {source.subdir!r}", source.takes)))
    when = git.run(mirror.path, "show", "--no-patch", "--format=%ct", revision).text
    return git.run(
        mirror.path,
        *("commit-tree", "-p", revision, tree or f"{revision}^{{tree}}"),
        stdin=_MESSAGE.format(revision=revision, settings=settings).encode("utf-8", "surrogateescape"),
        env=dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{when} +0000"),
    ).text


def upstreams(mirror: Mirror, revision: str) -> str:
    """Return the commit of upstream that a commit stands for; for one of upstream's that is itself."""
    shown = git.run(mirror.path, "show", "--no-patch", "--format=%P %B", revision, check=False)
    parent, _, text = shown.text.partition(" ")
    found = _MADE.fullmatch(text.strip())
    return parent if found and found["revision"] == parent else revision
