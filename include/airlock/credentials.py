"""How a source's server is reached: the URL and the variables for git, from Airflow's connection where one is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airlock.errors import ConfigError
from airlock.source import Source


@dataclass(frozen=True, kw_only=True)
class Access:
    """The URL of a source's upstream, and what git has to find in its environment. ``env`` holds secrets.

    ``token`` is the connection's password or the token of its GitHub App, for the API of the same server.
    """

    url: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)


@contextmanager
def access(source: Source) -> Iterator[Access]:
    """Give access to a source's upstream for the time of the block; keys exist on disk only that long.

    Raises ``ConfigError`` when the connection does not exist or is not usable.
    """
    if not source.git_conn_id:
        yield Access(url=source.repo_url)
        return
    from airflow.providers.git.hooks.git import GitHook

    try:
        hook = GitHook(git_conn_id=source.git_conn_id, repo_url=source.repo_url or None)
    except Exception as error:
        raise ConfigError(
            f"source {source.name}: connection {source.git_conn_id!r} is not usable: {error}",
            hint="make a connection of type git with this id in Airflow (Admin, Connections)",
            reason="ConnectionUnusable",
        ) from error
    if not hook.repo_url:
        raise ConfigError(
            f"source {source.name}: neither repo_url nor the host of connection {source.git_conn_id!r} is set"
        )
    with hook.configure_hook_env():
        yield Access(url=str(hook.repo_url), env=dict(hook.env), token=hook.auth_token or "")
