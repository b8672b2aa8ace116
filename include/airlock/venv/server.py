"""The deployment as a laptop sees it: a token, and the lockfile's files, over connections that can be trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from airlock.errors import OperatorError, StateError, TransientError, UsageError
from airlock.lockfile import artifact
from airlock.lockfile.artifact import MANIFEST, Artifact
from airlock.lockfile.manifest import Manifest

_TIMEOUT_S = 30.0
_LARGEST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Who asks: a token, or a user name and a password to get one with."""

    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)


def download(url: str, credentials: Credentials) -> Artifact:
    """Return the lockfile that the deployment at ``url`` has published, checked against its manifest.

    Raises ``UsageError`` for an address that cannot be trusted with a password, ``OperatorError`` when the deployment
    refuses or has nothing, ``TransientError`` when it does not answer.
    """
    address = _checked(url)
    # Redirects are off: a token goes to the address that was given and nowhere else. A proxy for this very machine
    # would only see what it must not.
    with httpx.Client(
        base_url=f"{address}/", timeout=_TIMEOUT_S, follow_redirects=False, trust_env=not is_loopback(address)
    ) as client:
        token = credentials.token or _token(client, credentials)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            return _files(client, headers, subject=url)
        except StateError:
            # Another lockfile was published between two of the downloads, or they are really damaged.
            return _files(client, headers, subject=url)


def _files(client: httpx.Client, headers: Mapping[str, str], *, subject: str) -> Artifact:
    data = _get(client, MANIFEST, headers)
    manifest = Manifest.from_json(data, subject=f"{subject}: {MANIFEST}")
    files = {name: _get(client, name, headers) for name in artifact.NAMES if name in manifest.files}
    return artifact.parse({**files, MANIFEST: data}, subject=subject)


def _token(client: httpx.Client, credentials: Credentials) -> str:
    answer = _send(client, "POST", "auth/token", json={"username": credentials.user, "password": credentials.password})
    if answer.status_code in (400, 401, 403, 422):
        raise OperatorError(
            f"{client.base_url} does not accept the password of {credentials.user!r}",
            hint="check --user and the password; airlock up prints those of a local deployment",
            reason="AuthenticationFailed",
        )
    try:
        return str(answer.raise_for_status().json()["access_token"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"{client.base_url}auth/token answered {answer.status_code}, and no token",
            hint="is this the address of an Airflow web server, without /airlock or /api behind it?",
            reason="NoToken",
        ) from error


def _get(client: httpx.Client, name: str, headers: Mapping[str, str]) -> bytes:
    answer = _send(client, "GET", f"airlock/lock/{name}", headers=headers)
    if answer.status_code == 200:
        return answer.content
    reason, message, hint = _told(answer)
    if answer.status_code in (401, 403):
        raise OperatorError(
            f"{answer.url}: {message}",
            hint="the token is wrong or too old: get another one, or give --user and --password-file",
            reason="AuthenticationFailed",
        )
    raise OperatorError(
        f"{answer.url}: {message}",
        hint=hint or "is this the address of an Airflow web server with Airlock, and is it running?",
        reason=reason,
    )


def _send(client: httpx.Client, method: str, path: str, **arguments: object) -> httpx.Response:
    try:
        with client.stream(method, path, **arguments) as answer:  # type: ignore[arg-type]
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_BYTES:
                    raise OperatorError(f"{answer.url} is larger than any lockfile", hint="check the address")
    except httpx.HTTPError as error:
        raise TransientError(
            f"{client.base_url} does not answer: {error}",
            hint="check the address and that the deployment runs: airlock status",
            reason="HostUnreachable",
        ) from error
    if answer.is_redirect:
        raise OperatorError(
            f"{answer.url} redirects to {answer.headers.get('Location', 'nowhere')}, which is not followed",
            hint="give the address that it redirects to, if you trust it",
            reason="Redirected",
        )
    return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)


def _told(answer: httpx.Response) -> tuple[str, str, str]:
    try:
        detail = answer.json()["detail"]
        if isinstance(detail, str):  # Airflow's own refusals
            return "Refused", detail, ""
        return detail["reason"], detail["message"], detail["hint"]
    except (ValueError, KeyError, TypeError):
        return "NoLockfile", f"answered {answer.status_code}", ""


def _checked(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(
            f"{url!r} is not an address: {error}", hint="give one such as https://airflow.example"
        ) from error
    if parts.userinfo or parts.query or parts.fragment:
        raise UsageError(
            "the address has a user, a password or a query in it",
            hint="give the plain address, and --user with --password-file",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise UsageError(
            f"{url}: a password and the code to install go over https, or to this machine itself",
            hint="give the https address, or tunnel: ssh -L 8080:127.0.0.1:8080 HOST, then http://127.0.0.1:8080",
            reason="InsecureAddress",
        )
    return str(parts).rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether ``url`` means this machine, so that nobody else can listen."""
    host = httpx.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_same(url: str, own: str) -> bool:
    """Tell whether ``url`` is the address of a deployment on this machine, of which ``own`` is one name."""
    return is_loopback(url) and httpx.URL(url).port == httpx.URL(own).port
