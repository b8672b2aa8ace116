"""Where an installed distribution came from, as far as the installation remembers (PEP 610, ``direct_url.json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from airlock.lockfile.distributions import Distribution

_SCHEMES = ("https", "http", "ssh", "git")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a distribution can be had again.

    ``index``: by name and version; ``vcs``: a commit of the repository ``url``; ``archive``: the file at ``url`` with
    these ``hashes``; ``local``: it was on this machine's disk, and nobody else can have it.
    """

    kind: Literal["index", "vcs", "archive", "local"]
    url: str = ""
    vcs: str = ""
    commit: str = ""
    revision: str = ""
    subdirectory: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)


def of(distribution: Distribution) -> Origin:
    """Return the origin of ``distribution``. URLs come without credentials."""
    try:
        text = (distribution.records / "direct_url.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Origin(kind="index")
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Origin(kind="local")


def without_credentials(url: str) -> str:
    """Return ``url`` without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_public(url: str) -> bool:
    """Tell whether ``url`` can mean the same thing on another machine: not a path, not a file, not this very host."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    return parts.scheme in _SCHEMES and host not in ("localhost", "::1") and not host.startswith("127.")


def _parsed(record: Mapping[str, Any]) -> Origin:
    url = without_credentials(record["url"])
    subdirectory = record.get("subdirectory", "")
    if "dir_info" in record or not is_public(url):
        return Origin(kind="local")
    if "vcs_info" in record:
        info = record["vcs_info"]
        return Origin(
            kind="vcs",
            url=url,
            vcs=info["vcs"],
            commit=info["commit_id"],
            revision=info.get("requested_revision", ""),
            subdirectory=subdirectory,
        )
    info = record["archive_info"]
    hashes = info.get("hashes") or dict([info["hash"].split("=", 1)])
    return Origin(kind="archive", url=url, hashes=hashes, subdirectory=subdirectory)
