"""What upstream has now, without a fetch."""

from __future__ import annotations

from airlock import credentials, following, git
from airlock.source import Source


def revision(source: Source) -> str | None:
    """Return the commit of what is followed, ``None`` when upstream has no such ref. A commit is taken as said.

    Raises ``UpstreamError``, ``CommandTimeout`` and ``ConfigError``.
    """
    if source.commit:
        return source.commit
    with credentials.access(source) as upstream:
        refs = git.ls_remote(upstream.url, subject=f"source {source.name}", env=upstream.env)
    commits = {ref.name: ref.sha for ref in refs}
    wanted = following.branch_or_tag(source, commits)
    return commits[wanted] if wanted else None
