"""``airlock lock``: exit 0 good, 1 an expected no, 2 an error; every difference named."""

from __future__ import annotations

import json

import pytest

from airlock.cli import main
from airlock.lockfile import distributions, resolve


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lock"


@pytest.fixture
def environment(tmp_path, wheelhouse, monkeypatch):
    path = wheelhouse.add("one")
    site = tmp_path / "site"
    wheelhouse.install(site, "one")
    monkeypatch.setattr(distributions, "site_folders", lambda: (site,))
    monkeypatch.setattr(resolve, "resolve", lambda *_: wheelhouse.answer(path))
    return site


def test_the_four_files_are_written_and_the_check_agrees(place, environment, capsys):
    assert main(["lock"]) == 0
    assert sorted(path.name for path in place.iterdir()) == [
        "constraints.txt",
        "manifest.json",
        "pylock.toml",
        "requirements.txt",
    ]
    assert str(place / "pylock.toml") in capsys.readouterr().out
    assert main(["lock", "--check"]) == 0


def test_writing_again_changes_no_byte(place, environment):
    main(["lock"])
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert main(["lock"]) == 0
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_each_difference_is_named_and_the_exit_status_is_1(place, environment, wheelhouse, capsys):
    main(["lock", "--out", str(place)])
    wheelhouse.add("two")
    wheelhouse.install(environment, "two")
    capsys.readouterr()
    assert main(["lock", "--check"]) == 1
    assert capsys.readouterr().out == "two: 1.0 is installed, none is expected\n"
    assert main(["lock", "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["differences"] == ["two: 1.0 is installed, none is expected"]


def test_a_check_without_a_lockfile_is_an_error(place, capsys):
    assert main(["lock", "--check"]) == 2
    assert "has no manifest.json\nhint: airlock lock --out DIR" in capsys.readouterr().err


def test_a_check_with_a_damaged_lockfile_is_an_error_and_writing_mends_it(place, environment, capsys):
    main(["lock"])
    (place / "pylock.toml").write_text("")
    assert main(["lock", "--check"]) == 2
    assert "pylock.toml is damaged" in capsys.readouterr().err
    assert main(["lock"]) == 0
    assert main(["lock", "--check"]) == 0


def test_an_incomplete_lockfile_is_written_told_and_exits_1(place, wheelhouse, environment, monkeypatch, capsys):
    main(["lock"])
    wheelhouse.add("top", needs=["missing"])
    wheelhouse.install(environment, "top")
    capsys.readouterr()
    assert main(["lock", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["reason"] == "Inconsistent"
    assert "top 1.0 needs missing, which is not installed" in told.err
    assert sorted(path.name for path in place.iterdir()) == ["constraints.txt", "manifest.json"]
    assert main(["lock", "--check"]) == 0


def test_a_folder_that_cannot_be_written_is_an_error(place, environment, capsys):
    place.write_text("a file")
    assert main(["lock"]) == 2
    assert f"{place} cannot be written" in capsys.readouterr().err
