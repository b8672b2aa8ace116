"""Real servers of git on this machine: ``git http-backend`` over HTTP, and ``git-upload-pack`` over a real sshd."""

from __future__ import annotations

import base64
import functools
import getpass
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SSHD = "/usr/sbin/sshd"


@dataclass(kw_only=True)
class HttpGit:
    """An HTTP server of the bare repositories below ``root``; its fields change how it answers from then on.

    ``accounts`` may read; empty: everybody may. ``answers`` are statuses that the next requests get. ``redirect`` is
    the address that all are sent to. While ``hangs`` is set requests wait. ``on_request`` is called with each.
    """

    root: Path
    port: int = 0
    accounts: dict[str, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    redirect: str = ""
    hangs: threading.Event = field(default_factory=threading.Event)
    on_request: Callable[[], None] = lambda: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, name: str = "upstream.git") -> str:
        """The URL of one repository."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def admits(self, authorization: str) -> bool:
        """Tell whether a header ``Authorization`` opens the door."""
        known = {base64.b64encode(f"{user}:{word}".encode()).decode() for user, word in self.accounts.items()}
        return not self.accounts or authorization.removeprefix("Basic ") in known


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, *args: Any, served: HttpGit, **kwargs: Any) -> None:
        self.served = served
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        """Answer as the server was told to, else as git does."""
        served, body = self.served, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        served.asked.append((self.path, dict(self.headers)))
        served.on_request()
        while served.hangs.is_set():
            time.sleep(0.02)
        if served.answers:
            self._answer(served.answers.pop(0), {})
        elif served.redirect:
            self._answer(302, {"Location": f"{served.redirect}{self.path}"})
        elif not served.admits(self.headers.get("Authorization", "")):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._run(body)

    def do_POST(self) -> None:
        """Answer as for ``GET``."""
        self.do_GET()

    def _run(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, capture_output=True, check=False, timeout=60
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._answer(int(fields.pop("Status", "200").split()[0]), fields, content)

    def _answer(self, status: int, fields: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def http_git(root: Path) -> Iterator[HttpGit]:
    """Serve the bare repositories below ``root`` for the time of the block."""
    served = HttpGit(root=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, served=served)) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield served
        finally:
            served.hangs.clear()
            server.shutdown()
            thread.join()


@dataclass(kw_only=True)
class SshGit:
    """An sshd of its own for the user who runs the tests; files of its keys are below ``folder``."""

    folder: Path
    port: int
    server: subprocess.Popen[bytes] | None = None

    def url(self, repository: str | Path) -> str:
        """The URL of a repository of this machine."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    def key(self, name: str) -> Path:
        """Return the private key of that name, made when it is not there yet."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True, timeout=60
            )
        return path

    def admit(self, *names: str) -> None:
        """Let exactly the owners of these keys in."""
        keys = [self.key(name).with_suffix(".pub").read_text() for name in names]
        (self.folder / "authorized_keys").write_text("".join(keys))

    def known_hosts(self) -> str:
        """The line of ``known_hosts`` for the server's present key."""
        kind, key, _ = self.key("host").with_suffix(".pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def start(self) -> None:
        """Start the server with its present host key."""
        self.key("host")
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
        }
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd of root does not start without it
        log = self.folder / "sshd.log"
        with log.open("ab") as output:
            self.server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=output, stderr=output)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"sshd did not start: {log.read_text()}")

    def stop(self) -> None:
        """End the server."""
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(20)
            self.server = None

    def renew_host_key(self) -> None:
        """Start the server again with another host key."""
        self.stop()
        for suffix in ("", ".pub"):
            (self.folder / f"host{suffix}").unlink()
        self.start()


@contextmanager
def ssh_git(folder: Path) -> Iterator[SshGit]:
    """Serve the repositories of this machine over SSH for the time of the block; nobody is admitted yet."""
    folder.mkdir(mode=0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = SshGit(folder=folder, port=port)
    served.admit()
    served.start()
    try:
        yield served
    finally:
        served.stop()


def has_sshd() -> bool:
    """Tell whether this machine has an SSH server to run."""
    return shutil.which(SSHD) is not None


def commands_with(text: str) -> list[bytes]:
    """Return the command lines of this machine that contain a text."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(place.read_bytes())
    return [line for line in found if text.encode() in line]
