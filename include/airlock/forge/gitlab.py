"""GitLab: https://docs.gitlab.com/api/commits/#set-the-pipeline-status-of-a-commit."""

from __future__ import annotations

from urllib.parse import quote

from airlock.forge.address import Address, Call
from airlock.forge.status import Status

# GitLab has no "error".
_STATES = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}


def call(address: Address, status: Status, token: str) -> Call:
    """Return the call that sets a status; the newest of a name counts."""
    return Call(
        url=f"{address.server}/api/v4/projects/{quote(address.path, safe='')}/statuses/{status.revision}",
        headers={"PRIVATE-TOKEN": token, "Accept": "application/json"},
        body={
            "state": _STATES[status.state],
            "name": status.context,
            "description": status.description,
            **({"target_url": status.url} if status.url else {}),
        },
    )
