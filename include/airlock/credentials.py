"""How a source's server is reached: the URL and the variables for git, from Airflow's connection where one is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from airlock.errors import ConfigError, UpstreamError
from airlock.process import redact
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

    Raises ``ConfigError`` when the connection does not exist or is not usable, and ``UpstreamError`` when GitHub gives
    its app no token.
    """
    if not source.git_conn_id:
        yield Access(url=source.repo_url)
        return
    from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
    from airflow.providers.git.hooks.git import GitHook

    try:
        hook = GitHook(git_conn_id=source.git_conn_id, repo_url=source.repo_url or None)
    except Exception as error:
        raise _unusable(source, error) from error
    if not hook.repo_url:
        raise ConfigError(
            f"source {source.name}: neither repo_url nor the host of connection {source.git_conn_id!r} is set"
        )
    with ExitStack() as stack:
        try:
            stack.enter_context(hook.configure_hook_env())
        except Exception as error:
            if not hook.uses_github_app_auth or isinstance(
                error, (ValueError, AirflowOptionalProviderFeatureException)
            ):
                raise _unusable(source, error) from error
            # Whatever GitHub's library raises: a fault of the network, of an answer or of the key.
            raise UpstreamError(
                f"source {source.name}: GitHub gave no token to the GitHub App of connection {source.git_conn_id!r}: "
                f"{type(error).__name__}: {redact(str(error))}",
                hint="check github_app_id, github_installation_id and private_key of the connection, and that the app "
                "is installed where the repository is",
                reason="AuthenticationFailed",
            ) from error
        yield Access(url=str(hook.repo_url), env=dict(hook.env), token=hook.auth_token or "")


def _unusable(source: Source, error: Exception) -> ConfigError:
    return ConfigError(
        f"source {source.name}: connection {source.git_conn_id!r} is not usable: {error}",
        hint="make a connection of type git with this id in Airflow (Admin, Connections)",
        reason="ConnectionUnusable",
    )
