"""``airlock venv``: from a lockfile to an environment that is proven equal, whatever was there before."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from airlock import process
from airlock.cli import main
from airlock.errors import AirlockError, OperatorError, StateError, UsageError
from airlock.lockfile import artifact, folder, publication
from airlock.lockfile.manifest import Problem
from airlock.state import State
from airlock.venv import build, interpreter


@pytest.fixture
def place(tmp_path):
    return tmp_path / "somewhere" / "venv"


@pytest.fixture
def lockfile(wheelhouse, make_lockfile, monkeypatch):
    """The lockfile of two packages, which this machine's own index has: here a folder."""
    monkeypatch.setenv("UV_FIND_LINKS", str(wheelhouse.root))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return make_lockfile(wheelhouse.add("one"), wheelhouse.add("two", "2.0"))


def make(lockfile, place):
    said: list[str] = []
    built = build.build(lockfile, place, say=said.append)
    return built, said


def names(place):
    return sorted(path.name for path in place.glob("lib/python*/site-packages/*.dist-info"))


def test_the_environment_has_the_python_and_the_packages_of_the_lockfile(lockfile, place):
    built, _ = make(lockfile, place)
    assert built.differences == ()
    told = subprocess.check_output(
        [place / "bin" / "python", "-c", "import sys, one, two; print(one.value, *sys.version_info[:3], sep='.')"]
    )
    assert told.decode().strip() == f"1.{lockfile.manifest.python}"
    assert names(place) == ["one-1.0.dist-info", "two-2.0.dist-info"]


def test_a_second_run_only_compares(lockfile, place):
    make(lockfile, place)
    built, said = make(lockfile, place)
    assert built.differences == ()
    assert not [line for line in said if line.startswith(("making", "removing"))]


def test_an_environment_of_ours_follows_the_lockfile(lockfile, place, wheelhouse, make_lockfile):
    make(lockfile, place)
    newer = make_lockfile(wheelhouse.add("one", "1.1"), wheelhouse.add("three"))
    built, said = make(newer, place)
    assert built.differences == ()
    assert names(place) == ["one-1.1.dist-info", "three-1.0.dist-info"]
    assert "removing what is not in the lockfile: two" in said


def test_an_interrupted_run_at_any_step_is_repaired_by_the_next(lockfile, place, monkeypatch):
    real, died = process.run, 0

    class Death(BaseException):
        pass

    for step in range(1, 100):
        calls = 0

        def counted(*args, step=step, **kwargs):
            nonlocal calls
            calls += 1
            if calls == step:
                with contextlib.suppress(AirlockError):
                    real(*args, **kwargs)
                raise Death
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(process, "run", counted)
            try:
                make(lockfile, place)
            except Death:
                died += 1
            else:
                break
        for packages in place.glob("lib/python*/site-packages"):
            (packages / "half-written").write_text("")
    assert died >= 4  # looking for a Python, making the environment, installing, comparing
    assert make(lockfile, place)[0].differences == ()
    assert list(place.rglob("half-written")) == []


@pytest.mark.parametrize("leftover", ["record", "nothing"])
def test_a_run_that_died_at_its_very_beginning_leaves_a_folder_that_can_be_used(lockfile, place, leftover):
    place.mkdir(parents=True)
    if leftover == "record":
        (place / ".airlock.json.123.tmp").write_text('{"ma')
    assert make(lockfile, place)[0].differences == ()


def test_a_folder_that_is_not_ours_is_left_alone(lockfile, place):
    place.mkdir(parents=True)
    (place / "pyvenv.cfg").write_text("home = elsewhere\n")
    with pytest.raises(UsageError, match="was not made by airlock venv") as raised:
        make(lockfile, place)
    assert raised.value.reason == "NotOurs"
    assert [path.name for path in place.iterdir()] == ["pyvenv.cfg"]


def test_a_file_in_the_way_is_left_alone(lockfile, place):
    place.parent.mkdir()
    place.write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        make(lockfile, place)
    assert place.read_text() == "mine"


def test_a_package_with_other_bytes_is_not_installed(lockfile, place, wheelhouse):
    wheelhouse.add("one", code="import os  # not what the deployment has\n")
    with pytest.raises(OperatorError, match=r"(?i)hash mismatch.*one") as raised:
        make(lockfile, place)
    assert raised.value.reason == "InstallFailed"
    assert names(place) == []


def test_files_that_differ_from_the_deployment_are_named(lockfile, place):
    record = json.loads(lockfile.files[artifact.MANIFEST])
    record["distributions"]["one"]["sha256"] = "0" * 64
    other = artifact.parse({**lockfile.files, artifact.MANIFEST: json.dumps(record).encode()}, subject="x")
    assert make(other, place)[0].differences == ("one: the same version 1.0, but other files",)
    assert make(lockfile, place)[0].differences == ()


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://elsewhere.example/simple",
        "-r other.txt",
        "-e .",
        "one",
        "one==1.0",
        "one>=1.0 --hash=sha256:" + "0" * 64,
        "one @ https://elsewhere.example/one-1.0-py3-none-any.whl --hash=sha256:" + "0" * 64,
        "one==1.0 --hash=md5:" + "0" * 64,
        "one==1.0 ; python_version > '3' --index-url=https://elsewhere.example --hash=sha256:" + "0" * 64,
        "./one-1.0-py3-none-any.whl --hash=sha256:" + "0" * 64,
    ],
)
def test_a_downloaded_file_may_say_nothing_but_pins_with_hashes(lockfile, place, line):
    files = {**lockfile.files, artifact.REQUIREMENTS: lockfile.files[artifact.REQUIREMENTS] + f"{line}\n".encode()}
    files.pop(artifact.MANIFEST)
    forged = artifact.assemble(lockfile.manifest, files)
    with pytest.raises(OperatorError, match="is no pin with hashes") as raised:
        make(forged, place)
    assert raised.value.reason == "NotAPin"
    assert not place.exists()


def test_settings_of_other_environments_do_not_leak_in(lockfile, place, tmp_path, monkeypatch):
    constraint = tmp_path / "constraint.txt"
    constraint.write_text("one<1\n")
    for name in ("UV_CONSTRAINT", "UV_OVERRIDE", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, str(constraint))
    other = tmp_path / "other"
    monkeypatch.setenv("VIRTUAL_ENV", str(other))
    monkeypatch.setenv("UV_PYTHON", "3.1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "platform.py").write_text("raise SystemExit('shadowed')\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[tool.uv]\nno-index = true\nfind-links = []\noverride-dependencies = ["one<1"]\n'
    )
    (project / ".python-version").write_text("3.1\n")
    monkeypatch.chdir(project)
    assert make(lockfile, place)[0].differences == ()
    assert not other.exists()
    assert sorted(path.name for path in project.iterdir()) == [".python-version", "pyproject.toml"]


def test_packages_of_other_systems_are_not_expected(wheelhouse, make_lockfile, place, lockfile):
    text = (
        lockfile.files[artifact.PYLOCK]
        .decode()
        .replace(
            'name = "two"\nversion = "2.0"\n', 'name = "two"\nversion = "2.0"\nmarker = "sys_platform == \'plan9\'"\n'
        )
    )
    files = {**lockfile.files, artifact.PYLOCK: text.encode()}
    elsewhere = artifact.assemble(lockfile.manifest, {name: files[name] for name in files if name != artifact.MANIFEST})
    assert build.expected_versions(elsewhere) == {"one": "1.0"}


def test_an_incomplete_lockfile_makes_no_environment(make_lockfile, place):
    problem = Problem(reason="IndexUnreachable", message="no package index answered", hint="reach one")
    with pytest.raises(OperatorError, match=r"incomplete: no package index answered\nhint: reach one"):
        make(make_lockfile(problem=problem), place)
    assert not place.exists()


def test_a_python_that_cannot_be_had_says_the_way_out(wheelhouse, make_lockfile, place, lockfile):
    impossible = make_lockfile(wheelhouse.add("one"), python="3.9.99")
    with pytest.raises(
        OperatorError, match=r"Python 3\.9\.99 is not on this machine.*\nhint: .*uv self update"
    ) as raised:
        make(impossible, place)
    assert raised.value.reason == "PythonMissing"


def test_the_exact_python_is_taken_from_pyenv_first(tmp_path, monkeypatch):
    version = "{}.{}.{}".format(*sys.version_info)
    pyenv = tmp_path / "pyenv"
    python = pyenv / "versions" / version / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(pyenv))
    assert interpreter.find(version) == python
    python.write_text("#!/bin/sh\nexit 127\n")
    assert interpreter.find(version) != python


def test_the_command_makes_an_environment_from_a_folder(lockfile, place, tmp_path, capsys):
    folder.write(tmp_path / "lock", lockfile)
    assert main(["venv", str(place), "--from", str(tmp_path / "lock")]) == 0
    told = capsys.readouterr()
    assert f"{place} equals the deployment: Python {lockfile.manifest.python}, 2 packages" in told.out
    assert main(["venv", str(place), "--from", str(tmp_path / "lock"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []


def test_the_command_makes_an_environment_from_the_deployment_of_the_state_directory(lockfile, place, tmp_path, capsys):
    state = State(root=tmp_path / "state")
    assert main(["venv", str(place), "--state", str(state.root)]) == 2
    assert "has no published lockfile\nhint: start the deployment" in capsys.readouterr().err
    publication.publish(state, make=lambda _: lockfile)
    assert main(["venv", str(place), "--state", str(state.root)]) == 0


def test_the_command_exits_1_when_the_result_differs(lockfile, place, tmp_path, capsys):
    record = json.loads(lockfile.files[artifact.MANIFEST])
    record["distributions"]["one"]["sha256"] = "0" * 64
    files = {**lockfile.files, artifact.MANIFEST: json.dumps(record).encode()}
    folder.write(tmp_path / "lock", artifact.parse(files, subject="x"))
    assert main(["venv", str(place), "--from", str(tmp_path / "lock")]) == 1
    assert "- one: the same version 1.0, but other files" in capsys.readouterr().out


def test_nothing_is_written_but_the_environment(lockfile, place, tmp_path):
    before = set(tmp_path.iterdir())
    make(lockfile, place)
    assert set(tmp_path.iterdir()) - before == {place.parent}
    assert list(Path.home().glob(".*")) == []


def test_a_lock_that_is_none_is_refused(lockfile, place):
    files = {**lockfile.files, artifact.PYLOCK: b"not toml ["}
    forged = artifact.assemble(lockfile.manifest, {name: files[name] for name in files if name != artifact.MANIFEST})
    with pytest.raises(StateError, match=r"pylock\.toml is none"):
        make(forged, place)
