"""Sends commit statuses. Nothing that goes wrong here makes a sync fail or wait for long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import httpx

from airlock import credentials, variant
from airlock.errors import AirlockError, ConfigError, OperatorError, TransientError
from airlock.forge import address as addresses, gitea, github, gitlab
from airlock.forge.address import Address, Call
from airlock.forge.status import Status
from airlock.mirror import Mirror

log = logging.getLogger(__name__)

RECORD = "commit-statuses"
_CALLS: dict[str, Callable[[Address, Status, str], Call]] = {
    "github": github.call,
    "gitlab": gitlab.call,
    "gitea": gitea.call,
}
_SILENT_S = 10.0
_LIMIT_S = 20.0
_REMEMBERED = 20
_LARGEST_BYTES = 64 * 1024


def tell(mirror: Mirror, status: Status | None) -> bool:
    """Set a commit status on the source's forge, if it has one and does not show that already; tell whether it was set.

    Whatever goes wrong is one warning in the log.
    """
    if status is None or not mirror.source.forge:
        return False
    status = replace(status, revision=variant.upstreams(mirror, status.revision))  # the forge knows no other
    if _is_told(mirror, status):
        return False
    try:
        _in_time(mirror, _call(mirror, status))
    except Exception as error:  # noqa: BLE001 - also of a token that cannot be a header: the text would print it
        why = str(error) if isinstance(error, AirlockError) else type(error).__name__
        log.warning("the commit status of %s was not set: %s", status.revision[:12], why)
        return False
    log.info("commit status of %s: %s, %s", status.revision[:12], status.state, status.description)
    _remember(mirror, status)
    return True


def _call(mirror: Mirror, status: Status) -> Call:
    subject = f"source {mirror.source.name}"
    with credentials.access(mirror.source) as upstream:
        if not upstream.token:
            raise ConfigError(
                f"{subject}: connection {mirror.source.git_conn_id!r} has no token",
                hint="put one that may set commit statuses into its password, or leave forge out",
                reason="NoToken",
            )
        return _CALLS[mirror.source.forge](addresses.of(upstream.url, subject=subject), status, upstream.token)


def _in_time(mirror: Mirror, call: Call) -> None:
    """Send a call, and leave it alone when it takes too long: httpx limits silence, not a server that drips."""
    failure: list[Exception] = []

    def send() -> None:
        try:
            _send(mirror, call)
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits for it
            failure.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(_LIMIT_S)
    if thread.is_alive():
        raise TransientError(
            f"source {mirror.source.name}: {httpx.URL(call.url).host} takes more than {_LIMIT_S:g} s",
            hint="the next change of state is sent again",
        )
    if failure:
        raise failure[0]


def _send(mirror: Mirror, call: Call) -> None:
    subject, target = f"source {mirror.source.name}", httpx.URL(call.url)
    # A token goes to that host alone: no redirects, and no proxy on the way to this very machine.
    is_direct = addresses.is_loopback(target.host)
    try:
        with (
            httpx.Client(timeout=_SILENT_S, follow_redirects=False, trust_env=not is_direct) as client,
            client.stream("POST", target, headers=call.headers, json=call.body) as answer,
        ):
            body = _start(answer)
    except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError) as error:
        raise TransientError(
            f"{subject}: {target.host} does not answer: {type(error).__name__}",
            hint="the next change of state is sent again",
            reason="HostUnreachable",
        ) from error
    # GitLab refuses the state that a commit has already: with another description, or after a crash of ours.
    if answer.is_success or (mirror.source.forge == "gitlab" and b"Cannot transition status" in body):
        return
    raise OperatorError(
        f"{subject}: {target.host} answered {answer.status_code} to a commit status",
        hint="the token in the connection needs the right to set commit statuses; are forge and repository right?",
        reason="StatusRefused",
    )


def _start(answer: httpx.Response) -> bytes:
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            break
    return body


def _is_told(mirror: Mirror, status: Status) -> bool:
    return [status.revision, status.state, status.description] in _told(mirror)


def _told(mirror: Mirror) -> list[list[str]]:
    return list((mirror.read_record(RECORD) or {}).get("told", ()))


def _remember(mirror: Mirror, status: Status) -> None:
    """Record what the forge shows. A crash before it has the same status set once more, which changes nothing."""
    try:
        with mirror.locked():
            others = [one for one in _told(mirror) if one[0] != status.revision]
            told = [*others, [status.revision, status.state, status.description]]
            mirror.write_record(RECORD, {"told": told[-_REMEMBERED:]})
    except AirlockError as error:
        log.warning("the commit status could not be recorded: %s", error)
