"""Folders that somebody filled to do harm are walked and removed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airlock import folders

DEEP = 1500


def deep(folder: Path, name: str) -> Path:
    """Make more folders in each other than Python has frames."""
    script = f"import os\nfor _ in range({DEEP}):\n  os.mkdir('{name}'); os.chdir('{name}')\nopen('file', 'w').close()"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, timeout=60)
    return folder


def test_a_walk_is_not_bound_by_the_stack(tmp_path: Path) -> None:
    top = deep(tmp_path / "deep", "d")
    try:
        assert len(list(folders.walk(top))) == DEEP + 1
    finally:
        folders.remove(top)


def test_a_walk_tells_what_os_walk_tells_and_follows_no_link(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("1")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "c" / "up").symlink_to("..")
    told = {place: (set(inside), set(others)) for place, inside, others in folders.walk(tmp_path)}
    for place, inside, others in os.walk(tmp_path):
        links = {name for name in inside if Path(place, name).is_symlink()}
        assert told.pop(place) == (set(inside) - links, set(others) | links)
    assert not told
    assert list(folders.walk(tmp_path / "nowhere")) == [(str(tmp_path / "nowhere"), [], [])]


@pytest.mark.parametrize("name", ["d", "longer than any path", "\N{AIRPLANE}" * 60])
def test_what_is_deep_is_removed(tmp_path: Path, name: str) -> None:
    top = deep(tmp_path / "deep", name)
    folders.remove(top)
    assert not top.exists()
    folders.remove(top)


def test_what_has_no_rights_is_removed_also_by_a_user_who_needs_them(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom airlock import folders\n"
        "os.geteuid() or (os.setgid(65534), os.setuid(65534))\n"
        "os.umask(0)\nos.mkdir('top')\nos.mkdir('top/shut')\nopen('top/shut/file', 'w').close()\n"
        "os.mkdir('top/shut/inner')\nos.chmod('top/shut/inner', 0)\nos.chmod('top/shut', 0)\nos.chmod('top', 0o500)\n"
        "folders.remove(Path('top'))\nsys.exit(os.path.exists('top'))"
    )
    with_include = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    place = Path(
        subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    )
    try:
        place.chmod(0o777)
        done = subprocess.run([sys.executable, "-c", script], cwd=place, env=with_include, check=False, timeout=60)
        assert done.returncode == 0
    finally:
        folders.remove(place)


def test_links_are_removed_and_what_they_point_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").write_text("1")
    top = tmp_path / "top"
    top.mkdir()
    (top / "folder").symlink_to(outside)
    (top / "file").symlink_to(outside / "file")
    folders.remove(top)
    assert not top.exists()
    (tmp_path / "link").symlink_to(outside)
    folders.remove(tmp_path / "link")
    assert (outside / "file").read_text() == "1"
    assert outside.stat().st_mode & 0o777 == 0o755


def test_the_folder_of_another_user_is_emptied_where_its_group_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "top" / "inner").mkdir(parents=True)
    (tmp_path / "top" / "inner" / "file").write_text("1")

    def refuse(path: str, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", path)

    monkeypatch.setattr(os, "chmod", refuse)  # what the kernel says to all but the owner
    folders.remove(tmp_path / "top")
    assert not (tmp_path / "top").exists()
