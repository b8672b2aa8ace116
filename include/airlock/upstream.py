"""What upstream has now, without a fetch."""

from __future__ import annotations

from airlock import credentials, git
from airlock.source import Source


def revision(source: Source) -> str | None:
    """Return the commit of the followed branch, ``None`` when upstream has no such branch.

    Raises ``UpstreamError``, ``CommandTimeout`` and ``ConfigError``.
    """
    with credentials.access(source) as upstream:
        wanted = f"refs/heads/{source.branch}"
        refs = git.ls_remote(upstream.url, subject=f"source {source.name}", env=upstream.env)
    return next((ref.sha for ref in refs if ref.name == wanted), None)
