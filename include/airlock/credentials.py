"""How a source's servers are reached: URL and variables for git, from Airflow's connection where one is named."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from airlock.errors import ConfigError, UpstreamError
from airlock.process import redact
from airlock.source import Source

_ENTERING = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Access:
    """The URL of a repository, and what git has to find in its environment. ``env`` holds secrets.

    ``token`` is the connection's password or the token of its GitHub App, for the API of the same server.
    """

    url: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)


@contextmanager
def access(source: Source) -> Iterator[Access]:
    """Give access to a source's upstream for the time of the block; keys exist on disk only that long.

    Raises ``ConfigError`` when the connection does not exist or is not usable, and ``UpstreamError`` when GitHub gives
    its app no token.
    """
    with _through(source.repo_url, source.git_conn_id, subject=f"source {source.name}", setting="repo_url") as given:
        yield given


@contextmanager
def release_access(source: Source) -> Iterator[Access]:
    """Give access to a source's release repository, as `access` does to its upstream."""
    with _through(
        source.release_url, source.release_conn_id, subject=f"source {source.name}", setting="release_url"
    ) as given:
        yield given


@contextmanager
def _through(url: str, conn_id: str, *, subject: str, setting: str) -> Iterator[Access]:
    if not conn_id:
        yield Access(url=url)
        return
    from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
    from airflow.providers.git.hooks.git import GitHook

    try:
        hook = GitHook(git_conn_id=conn_id, repo_url=url or None)
    except Exception as error:
        raise _unusable(subject, conn_id, error) from error
    if not hook.repo_url:
        raise ConfigError(f"{subject}: neither {setting} nor the host of connection {conn_id!r} is set")
    with ExitStack() as stack:
        try:
            _enter(stack, hook.configure_hook_env())
        except Exception as error:
            if not hook.uses_github_app_auth or isinstance(
                error, (ValueError, AirflowOptionalProviderFeatureException)
            ):
                raise _unusable(subject, conn_id, error) from error
            # Whatever GitHub's library raises: a fault of the network, of an answer or of the key.
            raise UpstreamError(
                f"{subject}: GitHub gave no token to the GitHub App of connection {conn_id!r}: "
                f"{type(error).__name__}: {redact(str(error))}",
                hint="check github_app_id, github_installation_id and private_key of the connection, and that the app "
                "is installed where the repository is",
                reason="AuthenticationFailed",
            ) from error
        yield Access(url=str(hook.repo_url), env=dict(hook.env), token=hook.auth_token or "")


def _enter(stack: ExitStack, context: AbstractContextManager[Any]) -> None:
    """Enter the hook's context and take its secrets out of this process's environment, where it puts them too: other
    processes that start meanwhile would inherit them.
    """
    with _ENTERING:
        before = dict(os.environ)
        try:
            stack.enter_context(context)
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


def _unusable(subject: str, conn_id: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"{subject}: connection {conn_id!r} is not usable: {error}",
        hint="make a connection of type git with this id in Airflow (Admin, Connections), or set "
        f"AIRFLOW_CONN_{conn_id.upper()} in the environment of the deployment",
        reason="ConnectionUnusable",
    )
