"""Gitea and Forgejo: ``POST /repos/{owner}/{repo}/statuses/{sha}`` of their API, version 1."""

from __future__ import annotations

from urllib.parse import quote

from airlock.forge.address import Address, Call
from airlock.forge.status import Status


def call(address: Address, status: Status, token: str) -> Call:
    """Return the call that sets a status; the newest of a context counts."""
    return Call(
        url=f"{address.server}/api/v1/repos/{quote(address.path)}/statuses/{status.revision}",
        headers={"Authorization": f"token {token}", "Accept": "application/json"},
        body={
            "state": status.state,
            "context": status.context,
            "description": status.description,
            **({"target_url": status.url} if status.url else {}),
        },
    )
