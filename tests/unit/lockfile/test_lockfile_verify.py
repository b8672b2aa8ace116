"""The truth check: only a lock that gives exactly what is installed passes, and every difference is named."""

from __future__ import annotations

import platform

import pytest

from airlock.errors import OperatorError
from airlock.lockfile import pylock, verify

PYTHON = platform.python_version()


@pytest.fixture
def lock(wheelhouse):
    def make(*paths, python=PYTHON, **arguments):
        packages = pylock.packages(wheelhouse.answer(*paths, **arguments), python=PYTHON, left_out=frozenset())
        return pylock.render(packages, python=python, airflow="3.3.2")

    return make


def test_a_lock_of_exactly_what_is_installed_passes(tmp_path, wheelhouse, lock):
    one, two = wheelhouse.add("one"), wheelhouse.add("two", "2.0")
    installed = wheelhouse.install(tmp_path / "site", "one", "two")
    windows_only = wheelhouse.add("other")
    text = lock(one, two, windows_only, markers={"other": "sys_platform == 'plan9' or sys_platform == 'win32'"})
    verify.check(text, installed)


def test_every_difference_is_named_and_nothing_is_published(tmp_path, wheelhouse, lock):
    one, two = wheelhouse.add("one"), wheelhouse.add("two", "2.0")
    wheelhouse.add("three")
    wheelhouse.add("two", "1.9")
    installed = wheelhouse.install(tmp_path / "site", "two==1.9", "three")
    with pytest.raises(OperatorError) as raised:
        verify.check(lock(one, two), installed)
    assert raised.value.reason == "LockMismatch"
    assert raised.value.message == (
        "the lock does not describe this environment, so it is not published:\n"
        "- one: in the lock, but not installed\n"
        "- three: installed, but not in the lock\n"
        "- two: installed is 1.9, the lock has 2.0"
    )


def test_a_wheel_that_was_built_here_is_not_the_one_of_the_index(tmp_path, wheelhouse, lock):
    one = wheelhouse.add("one")
    installed = wheelhouse.install(tmp_path / "site", "one")
    (installed["one"].records / "WHEEL").write_text("Tag: cp312-cp312-linux_x86_64\n")
    assert verify.differences(lock(one), installed) == (
        "one: installed from cp312-cp312-linux_x86_64, which the index does not have: built here, or by somebody else",
    )


def test_files_that_only_this_machine_has_are_refused(tmp_path, wheelhouse):
    one = wheelhouse.add("one")
    installed = wheelhouse.install(tmp_path / "site", "one")
    answer = wheelhouse.answer(one)
    for url in ("http://127.0.0.1:8000/one-1.0-py3-none-any.whl", one.as_uri()):
        answer["packages"][0]["wheels"][0]["url"] = url
        packages = pylock.packages(answer, python=PYTHON, left_out=frozenset())
        (difference,) = verify.differences(pylock.render(packages, python=PYTHON, airflow=""), installed)
        assert difference.startswith("one: its files are only in a folder of this machine")


def test_a_lock_for_another_python_is_refused(tmp_path, wheelhouse, lock):
    one = wheelhouse.add("one")
    installed = wheelhouse.install(tmp_path / "site", "one")
    (difference,) = verify.differences(lock(one, python="3.1.1"), installed)
    assert "3.1.1" in difference


@pytest.mark.parametrize("text", [b"", b"not toml [", b'lock-version = "1.0"\ncreated-by = "x"\npackages = 7\n'])
def test_what_is_no_lock_is_refused(text):
    assert verify.differences(text, {})


def test_a_version_in_another_spelling_is_the_same(tmp_path, wheelhouse, lock):
    one = wheelhouse.add("one", "1.0")
    installed = wheelhouse.install(tmp_path / "site", "one")
    metadata = installed["one"].records / "METADATA"
    metadata.write_text(metadata.read_text().replace("\nVersion: 1.0", "\nVersion: 01.0"))
    assert verify.differences(lock(one), installed) == ()
