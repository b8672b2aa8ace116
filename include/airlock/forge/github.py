"""GitHub: https://docs.github.com/en/rest/commits/statuses#create-a-commit-status."""

from __future__ import annotations

from urllib.parse import quote

from airlock.forge.address import Address, Call
from airlock.forge.status import Status


def call(address: Address, status: Status, token: str) -> Call:
    """Return the call that sets a status; the newest of a context counts. GitHub Enterprise has its API below its own
    host.
    """
    public = address.server == "https://github.com"
    api = "https://api.github.com" if public else f"{address.server}/api/v3"
    return Call(
        url=f"{api}/repos/{quote(address.path)}/statuses/{status.revision}",
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        body={
            "state": status.state,
            "context": status.context,
            "description": status.description,
            **({"target_url": status.url} if status.url else {}),
        },
    )
