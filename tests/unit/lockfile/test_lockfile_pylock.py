"""The form of ``pylock.toml``: what is kept of the index's answer, and that equal content gives equal bytes."""

from __future__ import annotations

import copy
import sys
import tomllib

import pytest
from packaging.pylock import Pylock

from airlock.lockfile import pylock
from airlock.lockfile.origins import Origin

PYTHON = "{}.{}.{}".format(*sys.version_info)
HERE = f"cp{sys.version_info.major}{sys.version_info.minor}"


def entry(name="one", *wheels, **more):
    hashes = {"sha256": "ab" * 32}
    files = [{"url": f"https://files.example/a/{wheel}", "hashes": hashes} for wheel in wheels]
    return {"name": name, "version": "1.0", "wheels": files, **more}


def locked(*entries, left_out=frozenset()):
    return pylock.packages({"packages": list(entries)}, python=PYTHON, left_out=left_out)


def rendered(packages):
    return pylock.render(packages, python=PYTHON, airflow="3.3.2")


def read(packages):
    return Pylock.from_dict(tomllib.loads(rendered(packages).decode()))


def test_the_document_is_valid_and_for_this_python_only():
    lock = read(locked(entry("one", "one-1.0-py3-none-any.whl")))
    assert str(lock.requires_python) == f"=={PYTHON}"
    assert [(package.name, str(package.version)) for package, _ in lock.select()] == [("one", "1.0")]


def test_the_order_of_arrival_does_not_change_the_bytes():
    first = entry("one", f"one-1.0-{HERE}-{HERE}-win_amd64.whl", f"one-1.0-{HERE}-{HERE}-macosx_11_0_arm64.whl")
    second = entry("two", "two-1.0-py3-none-any.whl")
    turned = copy.deepcopy(first)
    turned["wheels"].reverse()
    assert rendered(locked(first, second)) == rendered(locked(second, turned))


def test_sizes_and_upload_times_do_not_change_the_bytes():
    plain = entry("one", "one-1.0-py3-none-any.whl")
    told = copy.deepcopy(plain)
    told["wheels"][0] |= {"size": 7, "upload-time": "2026-01-01T00:00:00Z"}
    assert rendered(locked(plain)) == rendered(locked(told))


@pytest.mark.parametrize(
    ("wheel", "is_kept"),
    [
        ("one-1.0-py3-none-any.whl", True),
        ("one-1.0-py2.py3-none-any.whl", True),
        (f"one-1.0-{HERE}-{HERE}-win_amd64.whl", True),
        (f"one-1.0-{HERE}-{HERE}-musllinux_1_2_aarch64.whl", True),
        ("one-1.0-cp39-abi3-macosx_11_0_arm64.whl", True),
        ("one-1.0-cp399-cp399-win_amd64.whl", False),
        ("one-1.0-cp399-abi3-win_amd64.whl", False),
        (f"one-1.0-{HERE}-{HERE}t-win_amd64.whl", False),
        ("one-1.0-pp311-pypy311_pp73-win_amd64.whl", False),
    ],
)
def test_wheels_are_kept_for_this_python_on_every_system(wheel, is_kept):
    always = "one-1.0-cp38-abi3-any.whl"
    (package,) = locked(entry("one", always, wheel))
    assert (wheel in [file.name for file in package.wheels]) == is_kept


def test_a_source_archive_is_kept_only_where_there_is_no_wheel():
    sdist = {"url": "https://files.example/a/one-1.0.tar.gz", "hashes": {"sha256": "cd" * 32}}
    (with_wheel,) = locked(entry("one", "one-1.0-py3-none-any.whl", sdist=sdist))
    (without,) = locked(entry("one", sdist=sdist))
    assert with_wheel.sdist is None
    assert without.sdist is not None
    assert [archive.filename for _, archive in read([without]).select()] == ["one-1.0.tar.gz"]


@pytest.mark.parametrize(
    ("marker", "is_kept"),
    [
        ("sys_platform == 'win32'", True),
        ("platform_machine == 'arm64' and sys_platform == 'darwin'", True),
        ("python_full_version >= '3.99'", False),
        ("python_full_version == '3.1.*'", False),
        ("platform_python_implementation == 'PyPy'", False),
    ],
)
def test_a_package_that_no_system_needs_with_this_python_is_left_out(marker, is_kept):
    packages = locked(entry("one", "one-1.0-py3-none-any.whl", marker=marker))
    assert bool(packages) == is_kept
    assert [str(package.marker).replace('"', "'") for package in read(packages).packages] == [marker] * is_kept


def test_tools_are_left_out():
    assert locked(entry("uv", "uv-1.0-py3-none-any.whl"), left_out=frozenset({"uv"})) == ()


def test_credentials_of_an_index_are_left_out():
    record = entry("one")
    record["wheels"] = [{"url": "https://me:secret@files.example/one-1.0-py3-none-any.whl", "hashes": {"sha256": "ab"}}]
    text = rendered(locked(record)).decode()
    assert "https://files.example/one-1.0-py3-none-any.whl" in text
    assert "secret" not in text


def test_a_repository_and_an_archive_are_entries_of_their_own_kind():
    vcs = Origin(kind="vcs", vcs="git", url="https://git.example/a.git", commit="0" * 40, revision="main")
    archive = Origin(kind="archive", url="https://files.example/b.zip", hashes={"sha256": "ab"}, subdirectory="p")
    lock = read(
        [
            pylock.Package(name="a", version="1.0", direct=vcs),
            pylock.Package(name="b", version="2.0", direct=archive),
        ]
    )
    (_, first), (_, second) = lock.select()
    assert (first.type, first.url, first.commit_id, first.requested_revision) == ("git", vcs.url, "0" * 40, "main")
    assert (second.url, second.hashes, second.subdirectory) == (archive.url, {"sha256": "ab"}, "p")


def test_text_that_needs_quoting_is_quoted():
    origin = Origin(kind="vcs", vcs="git", url="https://git.example/a", commit="0" * 40, revision='a"b\\c\x7f\n')
    text = rendered([pylock.Package(name="a", version="1.0", direct=origin)]).decode()
    assert tomllib.loads(text)["packages"][0]["vcs"]["requested-revision"] == origin.revision
