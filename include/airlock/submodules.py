"""Submodules: where their repositories are, and how their commits come into the mirror.

Other hosts than upstream's see nothing of the source's credentials. Only https, ssh and http are spoken, and paths of
this machine only where upstream is one itself: who may push to the repository must not reach what is on the worker.
"""

from __future__ import annotations

import hashlib
import os
import re
from urllib.parse import urlsplit

from airlock import git
from airlock.credentials import Access
from airlock.errors import AirlockError, UpstreamError
from airlock.mirror import Mirror
from airlock.process import redact

_KEPT = "refs/submodules/"
_DEEPEST = 5
_PROTOCOLS = ("https", "ssh", "http")
_SCP = re.compile(r"(?!/)(?:[^/@:]+@)?([^/:]+):(?!//)")
_KEY = re.compile(r"submodule\.(?P<name>.*)\.(?P<what>path|url)\n(?P<value>.*)", re.DOTALL)


def urls(mirror: Mirror, commit: str) -> dict[str, str]:
    """Return the addresses of a commit's submodules by path, as its ``.gitmodules`` has them."""
    pattern = r"^submodule\..*\.(path|url)$"
    listed = git.run(
        mirror.path, "config", f"--blob={commit}:.gitmodules", "--null", "--get-regexp", pattern, check=False
    )
    found: dict[str, dict[str, str]] = {}
    for record in listed.stdout.decode("utf-8", "surrogateescape").split("\0"):
        if match := _KEY.fullmatch(record):
            found.setdefault(match["name"], {})[match["what"]] = match["value"]
    return {one["path"]: one["url"] for one in found.values() if {"path", "url"} <= one.keys()}


def address(mirror: Mirror, upstream: Access, written: str, parent: str, *, path: str, level: int) -> str:
    """Return the address of the submodule at ``path``, of which ``.gitmodules`` says ``written``; relative ones are
    meant from ``parent``.

    Raises ``UpstreamError`` with reason ``SubmoduleRefused`` when there is none, or none to use.
    """
    subject = f"{mirror.subject}: submodule {path}"
    if not written:
        raise _refused(f"{subject}: .gitmodules has no path and url of it", hint="add it with git submodule add")
    if level >= _DEEPEST:
        raise _refused(f"{subject}: submodules are nested deeper than {_DEEPEST}", hint="nest them less deep")
    url = _absolute(written, parent) if written.startswith(("./", "../")) else written
    if url is None:
        raise _refused(f"{subject}: {written!r} leads out of {redact(parent)}", hint="correct .gitmodules")
    protocol = _protocol(url)
    if protocol not in _allowed(upstream) or url.startswith("-"):
        allowed = ", ".join(_allowed(upstream))
        raise _refused(
            f"{subject}: {redact(url)} is not fetched: only {allowed} is", hint="correct its url in .gitmodules"
        )
    return url


def fetch(mirror: Mirror, upstream: Access, url: str, commit: str, *, path: str) -> None:
    """Bring a commit of the submodule at ``path`` into the mirror, if it is not there with all that it needs.

    Raises ``UpstreamError``, ``CommandTimeout`` and ``StateError``, each with the name of the submodule.
    """
    kept = f"{_KEPT}{hashlib.sha256(url.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"
    # What a ref of git's reaches is whole; what merely is there may be half of a fetch that was killed.
    if git.run(mirror.path, "merge-base", "--is-ancestor", commit, kept, check=False).status == 0:
        return
    allowed = _allowed(upstream)
    if own := os.environ.get("GIT_ALLOW_PROTOCOL"):
        allowed = tuple(name for name in allowed if name in own.split(":"))
    env = dict(upstream.env) if _host(url) == _host(upstream.url) else {}
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
    git.run_upstream(
        *("fetch", *options, "--", url, f"+{commit}:{kept}"),
        subject=f"{mirror.subject}: submodule {path} ({redact(url)}, commit {commit[:12]})",
        repository=mirror.path,
        env={**env, "GIT_ALLOW_PROTOCOL": ":".join(allowed)},
    )


def _absolute(written: str, parent: str) -> str | None:
    """Return a relative address as seen from its parent's, as git does; ``None`` when it leads out of the server."""
    start = re.match(r"[a-z][a-z0-9+.-]*://[^/]*/|/", parent) or _SCP.match(parent)
    prefix = start.group() if start else ""
    parts = [part for part in parent.removeprefix(prefix).split("/") if part]
    for part in written.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return prefix + "/".join(parts)


def _protocol(url: str) -> str:
    if "://" in url:
        return url.partition("://")[0].lower()
    if "::" in url:
        return url.partition("::")[0]
    return "ssh" if _SCP.match(url) else "file"


def _allowed(upstream: Access) -> tuple[str, ...]:
    return (*_PROTOCOLS, "file") if _protocol(upstream.url) == "file" else _PROTOCOLS


def _host(url: str) -> tuple[str, int | None]:
    if "://" in url:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.port
    match = _SCP.match(url)
    return (match[1].lower() if match else "", None)


def _refused(message: str, *, hint: str) -> AirlockError:
    return UpstreamError(message, hint=hint, reason="SubmoduleRefused")
