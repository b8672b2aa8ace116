"""The four files: what is in them, and that a damaged or a mixed set is noticed."""

from __future__ import annotations

import json
import re

import pytest

from airlock.errors import StateError
from airlock.lockfile import artifact
from airlock.lockfile.manifest import Manifest, Problem


@pytest.fixture
def lockfile(wheelhouse, make_lockfile):
    return make_lockfile(wheelhouse.add("one"), wheelhouse.add("two", "2.0"))


def test_the_files_can_be_read_again(lockfile):
    assert list(lockfile.files) == list(artifact.NAMES)
    assert artifact.parse(lockfile.files, subject="x") == lockfile


def test_an_incomplete_lockfile_can_be_read_again(make_lockfile):
    problem = Problem(reason="IndexUnreachable", message="m", hint="h")
    incomplete = make_lockfile(problem=problem)
    assert list(incomplete.files) == ["constraints.txt", "manifest.json"]
    assert artifact.parse(incomplete.files, subject="x").manifest.problem == problem


@pytest.mark.parametrize("name", ["pylock.toml", "requirements.txt", "constraints.txt"])
def test_a_changed_file_is_noticed(lockfile, name):
    with pytest.raises(StateError, match=rf"^here: {name} is damaged") as raised:
        artifact.parse({**lockfile.files, name: lockfile.files[name] + b"\n"}, subject="here")
    assert raised.value.reason == "ChecksumMismatch"


@pytest.mark.parametrize("name", artifact.NAMES)
def test_a_missing_file_is_noticed(lockfile, name):
    with pytest.raises(StateError, match=name):
        artifact.parse({other: data for other, data in lockfile.files.items() if other != name}, subject="here")


def test_each_requirement_has_a_hash_and_no_line_has_an_address(wheelhouse, make_lockfile):
    text = make_lockfile(wheelhouse.add("one"), wheelhouse.add("two")).files[artifact.REQUIREMENTS].decode()
    pins = re.sub(r" *\\\n *", " ", re.sub("^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert [re.sub("[0-9a-f]{64}", "H", pin) for pin in pins] == [
        "one==1.0 --hash=sha256:H",
        "two==1.0 --hash=sha256:H",
    ]
    assert "://" not in text


def test_constraints_are_the_installed_versions(lockfile):
    lines = lockfile.files[artifact.CONSTRAINTS].decode().splitlines()
    assert lines[1:] == ["one==1.0", "two==2.0"]


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"python": "../3.12.1"}, {"python": "--help"}, {"python": None}, {"files": []}, {"problem": 1}],
)
def test_a_manifest_that_cannot_be_right_is_refused(lockfile, change):
    record = json.loads(lockfile.files[artifact.MANIFEST])
    with pytest.raises(StateError, match=r"^here"):
        Manifest.from_json(json.dumps({**record, **change}).encode(), subject="here")


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{}"])
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(StateError, match=r"^here is not a manifest"):
        Manifest.from_json(data, subject="here")
