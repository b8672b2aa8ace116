"""The DAG repository that ``up`` is asked to follow: checked before anything starts."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from airlock import git
from airlock.embedded import sample
from airlock.embedded.deployment import Deployment
from airlock.embedded.layout import Layout
from airlock.errors import CommandTimeout, UpstreamError, UsageError
from airlock.process import holds_secret, redact

_HEADS = "refs/heads/"
_SHOWN = 10
_HINTS = {
    "AuthenticationFailed": "set up git's credentials for it, or name an Airflow connection with --conn-id",
    "HostKeyRefused": "connect once with ssh to accept the host's key",
}


def normalised(repo: str) -> str:
    """Return ``--repo`` as it is recorded: a path of this machine is made absolute.

    Raises ``UsageError`` when it holds a password or a token, or is a path where nothing is.
    """
    if holds_secret(repo):
        raise UsageError(
            f"--repo {redact(repo)}: the address holds a password or a token, which would be stored and shown",
            hint="put it into an Airflow connection of type git and name it with --conn-id",
            reason="SecretInUrl",
        )
    if not repo or repo.startswith("-"):
        raise UsageError(f"--repo {repo!r} is not the address of a repository", hint="give a URL or a path")
    path = Path(repo).expanduser()
    if path.exists():
        return os.path.abspath(path)
    if "://" not in repo and not re.match(r"[^/]+:", repo):
        raise UsageError(f"--repo {repo}: there is no such directory", hint="give a URL or the path of a repository")
    return repo


def settled(deployment: Deployment, layout: Layout) -> Deployment:
    """Return the deployment with the branch that it follows, if it follows one, after a look at the repository.

    Makes the sample repository where no other is asked for. Raises ``UsageError`` when the repository cannot be read,
    is empty, or does not have the branch. A repository behind an Airflow connection is not looked at: only Airflow can.
    """
    if deployment.conn_id:
        return replace(deployment, branch=deployment.branch or sample.BRANCH)
    if deployment.is_sample:
        sample.ensure(layout)
    url = deployment.repo_url(layout)
    shown = redact(url)
    try:
        refs = git.ls_remote(url, subject=shown)
        branches = [ref.name.removeprefix(_HEADS) for ref in refs if ref.name.startswith(_HEADS)]
        head = "" if deployment.branch or not deployment.has_branch else git.head_branch(url, subject=shown)
    except (UpstreamError, CommandTimeout) as error:
        hint = _HINTS.get(error.reason, "check the address, the network and your access to it")
        raise UsageError(f"the repository cannot be read: {error.message}", hint=hint, reason=error.reason) from error
    if not branches:
        raise UsageError(f"{shown} is empty", hint="commit a DAG and push it, then try again", reason="RepositoryEmpty")
    if not deployment.has_branch:
        return deployment
    return replace(deployment, branch=_chosen(deployment.branch, branches, head, shown))


def _chosen(wanted: str, branches: Sequence[str], head: str | None, shown: str) -> str:
    if wanted in branches:
        return wanted
    listed = ", ".join(sorted(branches)[:_SHOWN]) + (" …" if len(branches) > _SHOWN else "")
    if wanted:
        near = difflib.get_close_matches(wanted, branches, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {listed}"
        raise UsageError(f"{shown} has no branch {wanted!r}", hint=hint, reason="BranchMissing")
    if head is not None and head in branches:
        return head
    if len(branches) == 1:
        return branches[0]
    raise UsageError(f"{shown} does not say which branch is the default", hint=f"choose with --branch: {listed}")
