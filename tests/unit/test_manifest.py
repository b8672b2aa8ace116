"""A tree that somebody or the disk damaged is seen by what it holds, and mended file by file."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import manifest, tree
from airlock.mirror import Mirror
from airlock.state import State

Fetch = Callable[[], str | None]
FILES = {"etl.py": "1", "helpers/x.py": "x", "sql/ü name.sql": "select 1", "deep/er/y.py": "y"}


@pytest.fixture
def made(mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch) -> Path:
    """A tree as it was made."""
    (upstream.clone / "link.py").symlink_to("etl.py")
    revision = upstream.push(FILES)
    fetch()
    return tree.materialise(mirror.path, revision, state.trees("dags"))


def mend(mirror: Mirror, made: Path, *, thorough: bool = False) -> frozenset[str]:
    return tree.mend(mirror.path, made.name, made.parent, thorough=thorough)


def change(made: Path) -> None:
    (made / "etl.py").write_text("tampered with")


def truncate(made: Path) -> None:
    os.truncate(made / "etl.py", 0)


def lose(made: Path) -> None:
    (made / "helpers/x.py").unlink()


def lose_a_folder(made: Path) -> None:
    shutil.rmtree(made / "deep")


def add(made: Path) -> None:
    (made / "helpers/extra.py").write_text("from airflow.sdk import dag")


def put_a_folder_in_a_files_place(made: Path) -> None:
    (made / "etl.py").unlink()
    (made / "etl.py").mkdir()
    (made / "etl.py/inside.py").touch()


def put_a_link_in_a_folders_place(made: Path) -> None:
    shutil.rmtree(made / "helpers")
    (made / "helpers").symlink_to("/etc")


def put_a_pipe_in_a_files_place(made: Path) -> None:
    (made / "etl.py").unlink()
    os.mkfifo(made / "etl.py")


def turn_a_link(made: Path) -> None:
    (made / "link.py").unlink()
    (made / "link.py").symlink_to("/etc/passwd")


def make_executable(made: Path) -> None:
    (made / "etl.py").chmod(0o755)


def lose_the_manifest_and_a_file(made: Path) -> None:
    manifest.remove(made)
    (made / "etl.py").unlink()


def tear_the_manifest(made: Path) -> None:
    (made.parent.with_name("manifests") / f"{made.name}.json").write_text('{"boots": [], "fi')
    (made / "etl.py").write_text("2")


DAMAGE = [
    change,
    truncate,
    lose,
    lose_a_folder,
    add,
    put_a_folder_in_a_files_place,
    put_a_link_in_a_folders_place,
    put_a_pipe_in_a_files_place,
    turn_a_link,
    make_executable,
    lose_the_manifest_and_a_file,
    tear_the_manifest,
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_by_hand_is_seen_and_mended(damage: Callable[[Path], None], made: Path, mirror: Mirror) -> None:
    untouched = (made / "sql/ü name.sql").stat()
    before = content(made)
    damage(made)
    assert manifest.damage(made) != frozenset()
    assert mend(mirror, made)
    assert content(made) == before
    assert manifest.damage(made) == frozenset()
    after = (made / "sql/ü name.sql").stat()
    assert (after.st_mtime_ns, after.st_ino) == (untouched.st_mtime_ns, untouched.st_ino)
    assert list(made.parent.with_name("staging").iterdir()) == []


def test_a_tree_as_it_was_made_is_left_alone(made: Path, mirror: Mirror) -> None:
    assert mend(mirror, made) == frozenset()
    assert mend(mirror, made, thorough=True) == frozenset()


def test_what_python_caches_is_no_damage(made: Path) -> None:
    (made / "helpers/__pycache__").mkdir()
    (made / "helpers/__pycache__/x.cpython-312.pyc").touch()
    assert manifest.damage(made) == frozenset()


def test_a_file_that_was_only_touched_is_read_once_and_known_again(made: Path) -> None:
    os.utime(made / "etl.py", (1, 1))
    assert manifest.damage(made) == frozenset()
    assert manifest.read(made)["etl.py"][0][1] == 1_000_000_000


def test_a_change_that_hides_behind_size_and_time_is_seen_by_a_thorough_look(made: Path, mirror: Mirror) -> None:
    before = (made / "etl.py").stat()
    (made / "etl.py").write_text("2")
    os.utime(made / "etl.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert manifest.damage(made) == frozenset()
    assert mend(mirror, made, thorough=True) == {"etl.py"}
    assert (made / "etl.py").read_text() == "1"


def test_after_a_start_of_the_machine_every_file_is_read_once(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot"
    boot.write_text("another start\n")
    monkeypatch.setattr(manifest, "_BOOT", boot)
    before = (made / "etl.py").stat()
    (made / "etl.py").write_text("\0")  # what a power failure leaves of a file that was not on the disk yet
    os.utime(made / "etl.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert manifest.damage(made) == {"etl.py"}
    (made / "etl.py").write_text("1")
    assert manifest.damage(made) == frozenset()
    (made / "etl.py").write_text("\0")
    os.utime(made / "etl.py", ns=(before.st_atime_ns, manifest.read(made)["etl.py"][0][1]))
    assert manifest.damage(made) == frozenset()  # once


def test_damage_is_not_linked_into_the_next_tree(
    made: Path, mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    with (made / "helpers/x.py").open("r+") as file:
        file.write("tampered with")
    following = upstream.push({"etl.py": "2"})
    fetch()
    new = tree.materialise(mirror.path, following, state.trees("dags"), previous=made.name)
    assert (new / "helpers/x.py").read_text() == (made / "helpers/x.py").read_text() == "x"


def test_many_at_once_mend_one_tree(made: Path, mirror: Mirror) -> None:
    before = content(made)
    change(made)
    lose(made)
    add(made)
    context = multiprocessing.get_context("fork")
    menders = [context.Process(target=mend, args=(mirror, made)) for _ in range(6)]
    for mender in menders:
        mender.start()
    for mender in menders:
        mender.join()
    assert [mender.exitcode for mender in menders] == [0] * 6
    assert content(made) == before
    assert manifest.damage(made) == frozenset()


def content(folder: Path) -> dict[str, tuple[str, bool]]:
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.read_text(),
            os.access(path, os.X_OK),
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
