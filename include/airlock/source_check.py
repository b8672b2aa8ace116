"""Which settings of a source can be: each error names the path of the setting, and the way out."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.errors import ConfigError
from airlock.process import holds_secret, redact

if TYPE_CHECKING:
    from airlock.source import Source

FORGES = ("github", "gitlab", "gitea")
_TAG = re.compile(r"[A-Za-z0-9_*?\[][A-Za-z0-9._/@+*?\[\]!-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def check(source: Source, *, path: str) -> None:
    """Check the settings of a source; ``path`` is where they stand.

    Raises ``ConfigError`` with the path of the setting that cannot be, or that excludes another one.
    """
    if not source.repo_url and not source.git_conn_id:
        raise ConfigError(
            f"{path}.repo_url: missing", hint="give repo_url, or git_conn_id of a connection whose host is the URL"
        )
    _check_url(source.repo_url, path=f"{path}.repo_url", connection="git_conn_id")
    _check_url(source.release_url, path=f"{path}.release_url", connection="release_conn_id")
    _check_inside(source.subdir, path=f"{path}.subdir")
    if source.depth and source.has_release_repository:
        raise ConfigError(
            f"{path}.depth: a release repository needs the whole history",
            hint="leave depth out, or release_url and release_conn_id",
        )
    if not 1 <= source.poll_interval_s < math.inf:
        raise ConfigError(f"{path}.poll_interval_s: {source.poll_interval_s} is too short", hint="at least 1 second")
    _check_followed(source, path=path)
    if source.forge and source.forge not in FORGES:
        raise ConfigError(f"{path}.forge: {source.forge!r} is unknown", hint=f"known: {', '.join(FORGES)}")
    if source.forge and not source.git_conn_id:
        raise ConfigError(
            f"{path}.forge: needs git_conn_id", hint="the connection's password is the token that sets commit statuses"
        )
    _check_keys(source, path=path)
    _check_taken(source, path=path)


def _check_url(url: str, *, path: str, connection: str) -> None:
    if holds_secret(url):
        raise ConfigError(
            f"{path}: {redact(url)} holds a password or a token",
            hint=f"put it into an Airflow connection and name it in {connection}",
        )
    if url.startswith("-"):
        raise ConfigError(f"{path}: {url!r} is not a URL")


def _check_followed(source: Source, *, path: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/@+-]*", source.branch) or ".." in source.branch:
        raise ConfigError(f"{path}.branch: {source.branch!r} cannot be a branch")
    if source.tag and (not _TAG.fullmatch(source.tag) or ".." in source.tag):
        raise ConfigError(f"{path}.tag: {source.tag!r} cannot be a tag", hint="a name, or a pattern such as v*")
    if source.commit and not _COMMIT.fullmatch(source.commit):
        raise ConfigError(f"{path}.commit: {source.commit!r} is not a whole commit", hint="give all 40 digits")


def _check_inside(folder: str, *, path: str) -> None:
    parts = Path(folder).parts
    if os.path.isabs(folder) or ".." in parts or ".git" in parts:
        raise ConfigError(f"{path}: {folder!r} leaves the repository", hint="give a path inside it, such as dags")


def _check_taken(source: Source, *, path: str) -> None:
    for index, folder in enumerate(source.sparse):
        _check_inside(folder, path=f"{path}.sparse[{index}]")
        if not Path(folder).parts:
            raise ConfigError(f"{path}.sparse[{index}]: {folder!r} is no folder", hint="leave sparse out to take all")
    subdir = Path(source.subdir)
    if source.sparse and not any(
        subdir.is_relative_to(folder) or Path(folder).is_relative_to(subdir) for folder in source.sparse
    ):
        raise ConfigError(
            f"{path}.subdir: {source.subdir!r} is in none of the folders of sparse", hint="add it to sparse"
        )
    if source.depth < 0:
        raise ConfigError(f"{path}.depth: {source.depth} is no number of commits", hint="leave it out for all of them")


def _check_keys(source: Source, *, path: str) -> None:
    for key in ("gpg_keys", "ssh_signers"):
        if (name := getattr(source, key)) and not os.path.isabs(name):
            raise ConfigError(f"{path}.{key}: {name!r} is no absolute path", hint="name a file of the deployment")
