"""What counts as installed, and when the environment's digest is another one."""

from __future__ import annotations

import importlib.metadata
import sys

from airlock.lockfile import distributions


def test_this_environment_is_read_as_importlib_reads_it():
    folders = [str(folder) for folder in distributions.site_folders()]
    expected = {
        distributions.normalise(found.metadata["Name"]): found.version
        for found in importlib.metadata.distributions(path=folders)
    }
    assert {name: found.version for name, found in distributions.installed().items()} == expected
    assert "packaging" in expected


def test_names_are_normalised(tmp_path, wheelhouse):
    wheelhouse.add("Some.Odd_Name", "2.0")
    assert list(wheelhouse.install(tmp_path / "site", "some-odd-name")) == ["some-odd-name"]


def test_the_first_folder_wins_as_in_an_import(tmp_path, wheelhouse):
    wheelhouse.add("twice", "1.0")
    wheelhouse.install(tmp_path / "first", "twice")
    wheelhouse.add("twice", "2.0")
    wheelhouse.install(tmp_path / "second", "twice==2.0")
    found = distributions.installed([tmp_path / "first", tmp_path / "second"])
    assert found["twice"].version == "1.0"


def test_the_remains_of_an_interrupted_installation_are_not_installed(tmp_path, wheelhouse):
    wheelhouse.add("gone")
    wheelhouse.add("there")
    found = wheelhouse.install(tmp_path / "site", "gone", "there")
    (found["gone"].records / "METADATA").unlink()
    assert list(distributions.installed([tmp_path / "site"])) == ["there"]


def test_a_folder_that_somebody_put_on_the_path_is_no_installation(tmp_path, wheelhouse, monkeypatch):
    wheelhouse.add("from-a-dag-bundle")
    wheelhouse.install(tmp_path / "bundle", "from-a-dag-bundle")
    before = distributions.digest()
    monkeypatch.syspath_prepend(str(tmp_path / "bundle"))
    assert str(tmp_path / "bundle") in sys.path
    assert "from-a-dag-bundle" not in distributions.installed()
    assert distributions.digest() == before


def test_the_digest_follows_names_and_versions_and_nothing_else(tmp_path, wheelhouse):
    wheelhouse.add("one", "1.0")
    wheelhouse.add("two", "1.0")
    wheelhouse.install(tmp_path / "a", "one", "two")
    wheelhouse.install(tmp_path / "b", "two")
    wheelhouse.install(tmp_path / "b", "one")
    (tmp_path / "b" / "more.py").write_text("")
    equal = distributions.digest([tmp_path / "a"])
    assert distributions.digest([tmp_path / "b"]) == equal

    wheelhouse.add("two", "1.1")
    wheelhouse.install(tmp_path / "c", "one", "two==1.1")
    wheelhouse.install(tmp_path / "d", "one")
    assert len({equal, distributions.digest([tmp_path / "c"]), distributions.digest([tmp_path / "d"])}) == 3


def test_a_folder_that_is_not_there_has_nothing_installed(tmp_path):
    assert distributions.installed([tmp_path / "none"]) == {}
