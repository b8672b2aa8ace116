"""The port of the API server: checked before anything starts, because Airflow says so only minutes later."""

from __future__ import annotations

import contextlib
import socket

import psutil

from airlock.embedded.deployment import HOST
from airlock.errors import UsageError

_LARGEST = 65535


def check_free(port: int) -> None:
    """Raise ``UsageError`` when ``port`` is no port, is taken, or may not be used."""
    if not 1 <= port <= _LARGEST:
        raise UsageError(f"--port {port}: a port is a number from 1 to {_LARGEST}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise UsageError(f"port {port} may not be used by you", hint="choose one above 1023 with --port") from None
        except OSError as error:
            raise UsageError(
                f"port {port} of {HOST} is taken{_owner(port)}",
                hint="choose another one with --port, or stop what uses it",
                reason="PortTaken",
            ) from error


def _owner(port: int) -> str:
    """Return " by …" for the process that listens on ``port``, nothing when the system does not tell."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            is_listener = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if is_listener and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
