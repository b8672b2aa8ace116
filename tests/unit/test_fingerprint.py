from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airlock.validate.fingerprint import Fingerprints


def of(root: Path, kind: str, name: str, **environ: str) -> str:
    return Fingerprints(str(root), environ).of((kind, name))


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


CHANGES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "content": ("file", "a.py", lambda root: write(root / "a.py", "2")),
    "mode": ("file", "a.py", lambda root: (root / "a.py").chmod(0o700)),
    "gone": ("file", "a.py", lambda root: (root / "a.py").unlink()),
    "came": ("file", "b.py", lambda root: write(root / "b.py")),
    "directory instead": ("file", "b", lambda root: (root / "b").mkdir()),
    "link instead": ("file", "c", lambda root: ((root / "c").unlink(), (root / "c").symlink_to("a.py"))),
    "target of a link": ("file", "link", lambda root: write(root / "a.py", "3")),
    "name in a directory": ("list", "d", lambda root: write(root / "d/y")),
    "directory gone": ("list", "d", lambda root: ((root / "d/x").unlink(), (root / "d").rmdir())),
    "module came": ("module", "m", lambda root: write(root / "m.py")),
    "native module came": ("module", "m", lambda root: write(root / "m.abi3.so")),
    "package came": ("module", "m", lambda root: (root / "m").mkdir()),
    "package got its file": ("module", "d", lambda root: write(root / "d/__init__.py")),
    "archive of modules": ("module", "a.py/m", lambda root: write(root / "a.py", "zip")),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "a.py", "1")
    write(tmp_path / "c", "1")
    write(tmp_path / "d/x")
    (tmp_path / "link").symlink_to("a.py")
    return tmp_path


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_change_shows(change: str, root: Path) -> None:
    kind, name, make = CHANGES[change]
    before = of(root, kind, name)
    assert before
    assert of(root, kind, name) == before
    make(root)
    assert of(root, kind, name) not in (before, "")


def test_what_has_nothing_to_do_with_it_does_not_show(root: Path) -> None:
    before = of(root, "module", "m"), of(root, "list", "d"), of(root, "file", "a.py")
    write(root / "n.py")
    write(root / "mm.py")
    write(root / "d/x", "content")
    assert (of(root, "module", "m"), of(root, "list", "d"), of(root, "file", "a.py")) == before


def test_what_is_no_file_cannot_be_relied_on(root: Path) -> None:
    assert of(root, "outside", "/dev/null") == ""


@pytest.mark.parametrize("kind", ["file", "list", "module", "outside"])
@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 300, "a/" * 3000, 1, None, ["a"]])
def test_a_name_that_no_file_can_have_does_no_harm(root: Path, kind: str, name: Any) -> None:
    before = of(root, kind, name)
    assert of(root, kind, name) == before


def test_variables_count_one_by_one_or_all_together() -> None:
    root = Path("/nowhere")
    assert of(root, "environ", "A", A="1") != of(root, "environ", "A", A="2")
    assert of(root, "environ", "A", A="1") == of(root, "environ", "A", A="1", B="2")
    assert of(root, "environ", "*", A="1") != of(root, "environ", "*", A="1", B="2")
    assert of(root, "environ", "A")
