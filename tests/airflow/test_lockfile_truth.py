"""The lockfile of the environment that runs the tests: complete and true, or without an index incomplete and true."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airlock.lockfile import artifact, current, distributions, publication, resolve, store
from airlock.lockfile.artifact import Artifact
from airlock.state import State
from airlock.venv import build

pytestmark = pytest.mark.timeout(600)
TOOLS = {"pip", "uv", "setuptools", "wheel"}
INCOMPLETE = ("constraints.txt", "manifest.json")


@pytest.fixture(scope="module")
def made() -> Artifact:
    made = current.make()
    if made.manifest.problem and made.manifest.problem.reason == "IndexUnreachable":
        pytest.skip("no package index answers here")
    assert made.manifest.problem is None
    return made


def installed() -> dict[str, str]:
    folders = [str(folder) for folder in distributions.site_folders()]
    found = importlib.metadata.distributions(path=folders)
    named = {str(canonicalize_name(each.metadata["Name"])): each.version for each in found}
    return {name: version for name, version in named.items() if name not in TOOLS}


def test_the_lock_selects_exactly_what_is_installed(made: Artifact) -> None:
    lock = Pylock.from_dict(tomllib.loads(made.files[artifact.PYLOCK].decode()))
    selected = {package.name: str(package.version) for package, _ in lock.select()}
    assert selected == installed()
    assert "apache-airflow" in selected


def test_made_again_it_has_the_same_bytes(made: Artifact) -> None:
    assert current.make().files == made.files


def test_every_requirement_has_hashes_and_no_file_names_a_place_of_this_machine(made: Artifact) -> None:
    requirements = made.files[artifact.REQUIREMENTS].decode()
    pins = re.sub(r" *\\\n *", " ", re.sub("^#.*\n", "", requirements, flags=re.MULTILINE)).splitlines()
    here = [Requirement(pin.split(" --hash")[0]) for pin in pins]
    wanted = {canonicalize_name(each.name) for each in here if each.marker is None or each.marker.evaluate()}
    assert wanted == installed().keys()
    assert all(re.search(" --hash=sha256:[0-9a-f]{64}", pin) for pin in pins)
    for name, data in made.files.items():
        text = data.decode()
        assert "file:" not in text, name
        assert str(Path.home()) not in text, name
        assert not re.search(r"[\"' ]/(home|root|tmp|opt|usr)/", text), name
    assert "://" not in requirements


def test_without_an_index_the_constraints_are_true_and_the_manifest_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    incomplete = current.make()
    assert tuple(incomplete.files) == INCOMPLETE
    problem = json.loads(incomplete.files[artifact.MANIFEST])["problem"]
    assert problem["reason"] == "IndexUnreachable"
    pins = incomplete.files[artifact.CONSTRAINTS].decode().splitlines()[1:]
    assert dict(pin.split("==") for pin in pins) == installed()
    assert current.make().files == incomplete.files


def test_a_run_publishes_it_and_the_next_run_neither_asks_an_index_nor_publishes(
    made: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(root=tmp_path / "state")
    assert publication.publish(state).is_new
    published = store.read(state.environment)
    assert published
    assert published.artifact.files == made.files

    def fail(*_: object) -> None:
        raise AssertionError("the index was asked")

    monkeypatch.setattr(resolve, "resolve", fail)
    assert not publication.publish(state).is_new


def test_an_environment_made_from_it_is_equal(made: Artifact, tmp_path: Path) -> None:
    built = build.build(made, tmp_path / "venv", say=lambda _: None)
    assert built.differences == ()
    assert built.packages == len(installed())
