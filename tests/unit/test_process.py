from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from airlock.errors import CommandFailed, CommandTimeout, OperatorError
from airlock.process import redact, run


def test_the_error_of_a_failed_program_has_all_that_it_said() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(
            [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"], timeout_s=60
        )
    assert caught.value.status == 3
    assert "ended with status 3\nstdout: out\nstderr: err" in str(caught.value)


def test_the_error_of_a_failed_program_shows_no_password() -> None:
    says_it = "import sys; print(sys.argv[1]); sys.exit(f'cannot reach {sys.argv[1]}')"
    with pytest.raises(CommandFailed) as caught:
        run([sys.executable, "-c", says_it, "https://dora:s3cret@host/x"], timeout_s=60)
    assert str(caught.value).count("https://***@host/x") == 3
    assert "s3cret" not in f"{caught.value} {caught.value.stderr}"


def test_a_program_that_is_too_slow_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    with pytest.raises(CommandTimeout, match=r"took more than 1 s"):
        run(["sh", "-c", script], timeout_s=1)
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z":
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or _state(pid) == "Z"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(OperatorError, match="no-such-program cannot be started"):
        run(["no-such-program"], timeout_s=1)


def test_the_environment_is_exactly_what_was_given() -> None:
    done = run(
        [sys.executable, "-c", "import os; print(sorted(os.environ))"], timeout_s=60, env={"A": "1", "LC_CTYPE": "C"}
    )
    assert done.text == "['A', 'LC_CTYPE']"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://dora:s3cret@host/x", "https://***@host/x"),
        ("fatal: 'http://t0ken@host:80/x' failed", "fatal: 'http://***@host:80/x' failed"),
        ("ssh://git@host/x", "ssh://***@host/x"),
        ("git@host:x", "git@host:x"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_in_urls_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z" if not Path(f"/proc/{pid}").exists() else "?"
