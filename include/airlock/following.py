"""What a source follows in upstream: a branch, one tag, the newest tag of a pattern, or one commit for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from packaging.version import InvalidVersion, Version

from airlock.source import Source

BRANCHES, TAGS = "refs/remotes/origin/", "refs/upstream-tags/"  # where upstream's are kept in a mirror
_WILD = re.compile(r"[*?\[]")


def branch_or_tag(source: Source, names: Iterable[str]) -> str | None:
    """Return the full name of the ref that is followed, of those that upstream has; ``None`` if it has none such.

    A pattern means the highest version among the tags that match it. The text before its first wildcard does not belong
    to the version; tags whose rest is none (PEP 440, which reads SemVer too) are not looked at.
    """
    wanted = f"refs/tags/{source.tag}" if source.tag else f"refs/heads/{source.branch}"
    if not is_pattern(source.tag):
        return wanted if wanted in names else None
    prefix = len(wanted) - len(source.tag) + _WILD.search(source.tag).start()  # type: ignore[union-attr] # a pattern
    versions = [
        (version, name)
        for name in names
        if fnmatchcase(name, wanted) and (version := _version(name[prefix:])) is not None
    ]
    return max(versions)[1] if versions else None


def refspecs(source: Source) -> tuple[str, ...]:
    """Return what to fetch, and as what: all branches and tags of upstream, of a shallow source what is followed."""
    if not source.depth or (source.tag and is_pattern(source.tag)):
        branches = () if source.depth else (f"+refs/heads/*:{BRANCHES}*",)
        return (*branches, f"+refs/tags/*:{TAGS}*")
    if source.commit:
        return (f"+{source.commit}:{BRANCHES}{source.commit}",)
    name = f"tags/{source.tag}" if source.tag else f"heads/{source.branch}"
    return (f"+refs/{name}:{here(f'refs/{name}')}",)


def here(name: str) -> str:
    """Return the name in a mirror of a branch or tag of upstream."""
    return name.replace("refs/heads/", BRANCHES, 1).replace("refs/tags/", TAGS, 1)


def is_pattern(tag: str) -> bool:
    """Tell whether a tag is a pattern with wildcards."""
    return _WILD.search(tag) is not None


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
