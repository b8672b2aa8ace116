"""The launcher with a uv that only notes what it was asked: no network, no Airflow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airlock import project

UV = """#!/bin/sh
case "$1" in --version) echo "uv 0.13.9"; exit ;; esac
echo "$*" >>"$FAKE/calls"
env >"$FAKE/environment"
[ ! -e "$FAKE/fails" ] || { cat "$FAKE/fails" >&2; exit 2; }
case "$1 $2" in
    "venv "*) for folder; do :; done; "$FAKE_PYTHON" -m venv --without-pip "$folder" ;;
    "pip sync")
        echo "Resolved 2 packages in 1ms"
        echo " + two==2"
        sleep "$(cat "$FAKE/sync-takes" 2>/dev/null || echo 0)"
        ;;
    "pip install") while [ "$1" != --target ]; do shift; done; mkdir -p "$2" ;;
esac
"""
MAIN = """
import os, sys
print([sys.argv[1:], os.environ["PYTHONPATH"], os.getcwd(), sys.flags.safe_path])
"""
NEEDED = ("sh", "cmp", "readlink", "dirname", "mkdir", "rm", "mv", "cp", "sed", "tr", "tail", "cat", "env", "sleep")


class Checkout:
    """A project folder with the launcher, a folder of programs that is all of PATH, and a note of uv's calls."""

    def __init__(self, root: Path, bin_folder: Path, fake: Path) -> None:
        self.root = root
        self.bin = bin_folder
        self.fake = fake
        self.environ = {
            "PATH": str(bin_folder),
            "HOME": str(fake),
            "FAKE": str(fake),
            "FAKE_PYTHON": sys.executable,
        }

    def start(self, *args: str, cwd: Path | None = None, program: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(program or self.root / "airlock"), *args],
            env=self.environ,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *args: str, cwd: Path | None = None, program: Path | None = None) -> tuple[int, str, str]:
        with self.start(*args, cwd=cwd, program=program) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What uv was asked to do: the first word, or two where it is pip."""
        lines = (self.fake / "calls").read_text().splitlines() if (self.fake / "calls").exists() else []
        return [" ".join(line.split()[: 2 if line.startswith("pip") else 1]) for line in lines]

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, bin_folder, fake = tmp_path / "a project", tmp_path / "bin", tmp_path / "fake"
    for folder in (root / "include" / "airlock", bin_folder, fake):
        folder.mkdir(parents=True)
    shutil.copy(project.ROOT / "airlock", root / "airlock")
    (root / "include" / "airlock" / "__main__.py").write_text(MAIN)
    (root / "requirements.lock").write_text("one==1\n")
    (root / "requirements-dev.lock").write_text("tool==1\n")
    for name in (*NEEDED, "git"):
        found = shutil.which(name)
        assert found
        (bin_folder / name).symlink_to(found)
    made = Checkout(root, bin_folder, fake)
    made.program("uv", UV)
    made.program("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return made


def test_first_call_creates_the_environment_and_later_calls_do_not(checkout: Checkout) -> None:
    status, out, err = checkout.call("status", "--json")
    assert status == 0, err
    assert out == f"{[['status', '--json'], str(checkout.root / 'include'), str(Path.cwd()), True]}\n"
    assert "installing requirements.lock" in err
    assert checkout.calls() == ["venv", "pip sync"]

    status, _, err = checkout.call("status")
    assert (status, err) == (0, "")
    assert checkout.calls() == ["venv", "pip sync"]


def test_progress_leaves_out_the_list_of_packages(checkout: Checkout) -> None:
    _, _, err = checkout.call("status")
    assert "Resolved 2 packages" in err
    assert "two==2" not in err


def test_later_calls_need_no_program_but_cmp(checkout: Checkout) -> None:
    checkout.call("status")
    for path in checkout.bin.iterdir():
        if path.name not in {"sh", "cmp", "git"}:
            path.unlink()
    assert checkout.call("status")[0] == 0


def test_it_works_from_anywhere_and_through_symlinks(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "relative").symlink_to(Path("..") / "a project" / "airlock")
    (elsewhere / "airlock").symlink_to("relative")
    status, out, err = checkout.call("up", cwd=elsewhere, program=elsewhere / "airlock")
    assert status == 0, err
    assert str(checkout.root / "include") in out
    assert str(elsewhere) in out


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.call("status")
    (checkout.root / "requirements.lock").write_text("one==2\n")
    assert checkout.call("status")[0] == 0
    assert checkout.calls() == ["venv", "pip sync", "pip sync"]


def test_tools_of_the_tests_are_installed_beside_the_environment(checkout: Checkout) -> None:
    status, out, err = checkout.call("test")
    assert status == 0, err
    assert str(checkout.root / ".venv" / "airlock-dev") in out
    checkout.call("test")
    checkout.call("status")
    assert checkout.calls() == ["venv", "pip sync", "pip install"]


def test_a_failed_installation_is_tried_again(checkout: Checkout) -> None:
    (checkout.fake / "fails").write_text("error: something\n")
    status, _, err = checkout.call("status")
    assert status == 2
    assert "something" in err
    assert "the next call begins again" in err
    (checkout.fake / "fails").unlink()
    assert checkout.call("status")[0] == 0


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("error: Failed to fetch: `simple/uv/`\n  cause: dns error", "no package index answers"),
        ("error: Failed to fetch: `simple/uv/`\n  cause: invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("error: failed to write: No space left on device (os error 28)", "the disk is full"),
        ("error: failed to create directory: Permission denied (os error 13)", "must belong to the user"),
    ],
)
def test_known_failures_have_a_hint(checkout: Checkout, line: str, hint: str) -> None:
    (checkout.fake / "fails").write_text(f"{line}\n")
    status, out, err = checkout.call("status")
    assert (status, out) == (2, "")
    assert hint in err.splitlines()[-1]


@pytest.mark.parametrize("wait_s", [0.05, 0.2, 0.4, 0.8, 1.2])
def test_a_killed_creation_is_repaired_by_the_next_call(checkout: Checkout, wait_s: float) -> None:
    (checkout.fake / "sync-takes").write_text("1")
    with checkout.start("status") as process:
        time.sleep(wait_s)
        os.killpg(process.pid, signal.SIGKILL)
    (checkout.fake / "sync-takes").write_text("0")
    status, out, err = checkout.call("status")
    assert status == 0, err
    assert "status" in out


def test_two_first_calls_at_once_create_one_environment(checkout: Checkout) -> None:
    (checkout.fake / "sync-takes").write_text("0.5")
    processes = [checkout.start("status") for _ in range(3)]
    answers = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [status for _, _, status in answers] == [0, 0, 0], answers
    assert checkout.calls() == ["venv", "pip sync"]
    assert any("another call is preparing" in err for _, err, _ in answers)


def test_another_python_makes_the_environment_anew(checkout: Checkout) -> None:
    checkout.call("status")
    checkout.environ["AIRLOCK_PYTHON"] = sys.executable
    assert checkout.call("status")[0] == 0
    assert checkout.call("status")[0] == 0
    assert checkout.calls() == ["venv", "pip sync", "venv", "pip sync"]


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.call("status")
    python = checkout.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert checkout.call("status")[0] == 0
    assert checkout.calls() == ["venv", "pip sync"] * 2


def test_an_environment_of_somebody_else_is_left_alone(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    status, _, err = checkout.call("status")
    assert status == 2
    assert "Airlock did not make it" in err
    assert (checkout.root / ".venv" / "pyvenv.cfg").exists()


def test_no_git(checkout: Checkout) -> None:
    (checkout.bin / "git").unlink()
    status, _, err = checkout.call("status")
    assert status == 2
    assert err.startswith("airlock: git is not on PATH\nhint: ")


def test_an_unsupported_python_is_named(checkout: Checkout) -> None:
    checkout.program("python3", "#!/bin/sh\necho 3.9.2\n")
    status, _, err = checkout.call("status")
    assert status == 2
    assert "python3 is 3.9.2, python3.13 is missing" in err
    assert "needs Python 3.11, 3.12 or 3.13" in err
    assert checkout.calls() == []


def test_a_shim_that_does_not_run_is_passed_over(checkout: Checkout) -> None:
    checkout.program("python3", "#!/bin/sh\necho 3.14.0\n")
    checkout.program("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    checkout.program("python3.12", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    status, _, err = checkout.call("status")
    assert status == 0, err


def test_the_users_python_settings_do_not_leak_into_the_installation(checkout: Checkout) -> None:
    leaking = ("PYTHONPATH", "VIRTUAL_ENV", "PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE")
    checkout.environ |= dict.fromkeys(leaking, "/nowhere")
    status, out, err = checkout.call("status")
    assert status == 0, err
    assert "/nowhere" not in out
    assert "/nowhere" not in (checkout.fake / "environment").read_text()


def test_the_users_index_is_followed(checkout: Checkout) -> None:
    checkout.environ["PIP_INDEX_URL"] = "https://mirror.example.com/simple"
    checkout.call("status")
    seen = (checkout.fake / "environment").read_text().splitlines()
    assert "UV_DEFAULT_INDEX=https://mirror.example.com/simple" in seen


def test_uvs_own_index_wins(checkout: Checkout) -> None:
    checkout.environ |= {"PIP_INDEX_URL": "https://pip.example.com", "UV_DEFAULT_INDEX": "https://uv.example.com"}
    checkout.call("status")
    seen = (checkout.fake / "environment").read_text().splitlines()
    assert "UV_DEFAULT_INDEX=https://uv.example.com" in seen


def test_no_uv_and_no_pip(checkout: Checkout) -> None:
    (checkout.bin / "uv").unlink()
    (checkout.root / "requirements.lock").write_text("uv==1 \\\n    --hash=sha256:0\n    # via x\n")
    checkout.program(
        "python3",
        f'#!/bin/sh\ncase "$*" in "-m pip"*|"-m venv"*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n',
    )
    status, _, err = checkout.call("status")
    assert status == 2
    assert "there is no uv on PATH, python3 has no pip" in err
