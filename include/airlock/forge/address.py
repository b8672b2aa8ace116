"""Where the API of a forge is, and which repository is meant: read from the URL that git uses."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from airlock.errors import ConfigError
from airlock.process import redact

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A forge's web server, such as ``https://github.com``, and a repository's path there, such as ``team/dags``."""

    server: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One POST to a forge. ``headers`` hold the token."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: dict[str, str]


def of(repo_url: str, *, subject: str) -> Address:
    """Return the address of the forge that serves a repository. One that git reaches by SSH has its API by https.

    Raises ``ConfigError`` when the URL is none of a forge, or would send a token through a network in the clear.
    """
    if "://" in repo_url:
        parts = urlsplit(repo_url)
        scheme, host, path = parts.scheme, parts.hostname or "", parts.path
        try:
            port = parts.port
        except ValueError:
            host, port = "", None
    else:
        match = _SCP.fullmatch(repo_url)
        scheme, host, path = ("ssh", match["host"], match["path"]) if match else ("", "", "")
        port = None
    path = unquote(path).strip("/").removesuffix(".git")
    if scheme not in ("https", "http", "ssh") or not host or path.count("/") < 1 or ".." in path.split("/"):
        raise ConfigError(
            f"{subject}: {redact(repo_url)!r} is not the URL of a repository on a forge",
            hint="it is like https://HOST/OWNER/REPOSITORY; leave forge out for other repositories",
        )
    if scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"{subject}: a token is not sent to {redact(repo_url)} in the clear",
            hint="give the https address of the repository",
            reason="InsecureAddress",
        )
    if scheme == "ssh":
        # That port is sshd's. GitHub and GitLab.com serve SSH through port 443 under a name of its own, too.
        scheme, port, host = "https", None, re.sub(r"^(?:alt)?ssh\.(?=git(?:hub|lab)\.com$)", "", host)
    name = f"[{host}]" if ":" in host else host
    return Address(server=f"{scheme}://{name}{f':{port}' if port else ''}", path=path)


def is_loopback(host: str) -> bool:
    """Tell whether a host is an address of this machine, so that nobody else can listen."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
