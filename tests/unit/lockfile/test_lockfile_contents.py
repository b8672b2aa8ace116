"""The digest of an installed distribution: equal for equal wheels, whoever installed them."""

from __future__ import annotations

from airlock.lockfile import contents


def test_what_an_installer_adds_does_not_count(tmp_path, wheelhouse):
    wheelhouse.add("one")
    found = wheelhouse.install(tmp_path / "site", "one")["one"]
    before = contents.of(found)
    record = found.records / "RECORD"
    added = [
        "__pycache__/one.cpython-312.pyc,,",
        "one-1.0.dist-info/REQUESTED,sha256=x,0",
        "one-1.0.dist-info/direct_url.json,sha256=x,9",
        "one-1.0.dist-info/uv_cache.json,sha256=x,9",
        "../../../bin/other-script,sha256=x,9",
        "..\\Scripts\\x.exe".replace("\\", "/") + ",sha256=x,9",
    ]
    lines = [line for line in record.read_text().splitlines() if "INSTALLER" not in line]
    record.write_text("\n".join([*reversed(lines), *added]) + "\n")
    assert contents.of(found) == before
    assert before.sha256 is not None


def test_other_code_under_the_same_version_has_another_digest(tmp_path, wheelhouse):
    wheelhouse.add("one", code="value = 1\n")
    first = contents.of(wheelhouse.install(tmp_path / "a", "one")["one"])
    wheelhouse.add("one", code="value = 2\n")
    second = contents.of(wheelhouse.install(tmp_path / "b", "one")["one"])
    assert first.version == second.version
    assert first.sha256 != second.sha256


def test_a_wheel_for_every_system_is_pure_and_one_for_this_system_is_not(tmp_path, wheelhouse):
    wheelhouse.add("pure", tag="py2.py3-none-any")
    found = wheelhouse.install(tmp_path / "site", "pure")["pure"]
    assert contents.of(found).is_pure
    (found.records / "WHEEL").write_text("Tag: cp312-cp312-linux_x86_64\nTag: cp312-cp312-manylinux_2_17_x86_64\n")
    assert contents.tags(found) == {"cp312-cp312-linux_x86_64", "cp312-cp312-manylinux_2_17_x86_64"}
    assert not contents.of(found).is_pure


def test_an_installation_without_a_record_has_no_digest(tmp_path, wheelhouse):
    wheelhouse.add("one")
    found = wheelhouse.install(tmp_path / "site", "one")["one"]
    (found.records / "RECORD").unlink()
    assert contents.of(found).sha256 is None
