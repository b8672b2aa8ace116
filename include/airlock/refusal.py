"""What it means when git could not do its work with another server: the words of git, ssh and curl, told apart."""

from __future__ import annotations

import re

from airlock.errors import AirlockError, StateError, UpstreamError
from airlock.process import redact

_DISK = r"no space left on device|read-only file system|unable to (create|write)|insufficient permission"
# What git says of its own objects: emptied, cut off, overwritten or gone, loose or in a pack. A disk that does not
# answer is no damage.
_DAMAGE = (
    r"bad (tree )?object|corrupt|unable to (read|stream)|object file .* is empty|did not send all necessary objects"
    r"|missing (blob|tree|commit|tag)? ?object|not a tree object|failed to unpack tree object|failed to read object"
    r"|failed to read notes tree|could not read [0-9a-f]{40}|ambiguous argument '[0-9a-f]{40,}\^\{tree\}'|: bad file"
    r"|reference broken|ignoring broken ref|packfile .* does not match index|far too short to be a packfile"
    r"|not a GIT packfile|index file .* is too small|wrong index v\d file size|non-monotonic index"
)
_NO_ANSWER = r"input/output error|stale file handle|too many open files|cannot allocate memory|out of memory"
# Statuses only where git says that they are some: an address or a commit may hold the same digits.
_REASONS = (
    ("HostKeyChanged", r"remote host identification has changed"),
    ("HostKeyRefused", r"host key verification failed"),
    (
        "AuthenticationFailed",
        r"authentication failed|could not read (username|password)|permission denied|error: 40[13]|invalid credentials",
    ),
    (
        "RepositoryMissing",
        r"repository .*not found|does not appear to be a git repository|does not exist|error: 404",
    ),
    ("RefMissing", r"couldn't find remote ref|remote ref does not exist|not our ref|unadvertised object"),
    (
        "HostUnreachable",
        r"could not resolve|connection (refused|timed out|reset)|network is unreachable|failed to connect|no route",
    ),
)
_HINTS = {
    "AuthenticationFailed": "check the source's Airflow connection (type git): user, token or key, and read access",
    "HostKeyChanged": "ask who runs the server whether its key was changed: if so, replace its line in the "
    "connection's known_hosts_file; if not, somebody is in between",
    "HostKeyRefused": "put the server's host key into the connection's known_hosts_file",
    "RepositoryMissing": "check the URL, and that the account may read the repository",
    "RefMissing": "check the name; a submodule's commit has to be pushed before what refers to it",
    "HostUnreachable": "check the URL, the network and the proxy; the next sync tries again",
    "UpstreamUnavailable": "the next sync tries again",
}


def is_damage(text: str) -> bool:
    """Tell whether git, by what it wrote to standard error, cannot read objects or refs of the repository at hand."""
    if re.search(f"{_DISK}|{_NO_ANSWER}", text, re.IGNORECASE):
        return False
    return re.search(_DAMAGE, text, re.IGNORECASE) is not None


def error(stderr: bytes, *, subject: str, action: str) -> AirlockError:
    """Return the error for what git said: ``UpstreamError`` with a reason of its own for each known cause, or
    ``StateError`` where it is our disk or our mirror (``MirrorDamaged``) that failed.
    """
    text = redact(stderr.decode("utf-8", "replace")).strip()
    here = re.sub(r"(?m)^remote: .*$", "", text)  # the disk of the server is not ours
    if re.search(_DISK, here, re.IGNORECASE):
        return StateError(
            f"{subject}: git cannot write to the state directory: {text}", hint="free space, or check the permissions"
        )
    if is_damage(here):
        return StateError(f"{subject}: the mirror is damaged: {text}", reason="MirrorDamaged")
    reason = next((name for name, words in _REASONS if re.search(words, text, re.IGNORECASE)), "UpstreamUnavailable")
    return UpstreamError(f"{subject}: {action} failed: {text}", hint=_HINTS[reason], reason=reason)
