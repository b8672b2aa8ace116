"""State directories that cannot be used are refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.embedded import layout as layouts
from airlock.embedded.layout import Layout
from airlock.errors import StateError
from airlock.state import State


def test_the_folders_are_made(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path / "deep" / "state with spaces")
    layouts.prepare(layout)
    layouts.prepare(layout)
    assert all(folder.is_dir() for folder in (layout.airflow, layout.secrets, layout.run, layout.logs))
    assert list(layout.run.iterdir()) == []


def test_two_names_of_a_directory_are_one_deployment(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert layouts.of(State(root=tmp_path / "link")) == layouts.of(State(root=tmp_path / "real"))


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be used: Not a directory") as caught:
        layouts.prepare(Layout(root=tmp_path / "file" / "state"))
    assert caught.value.reason == "StateNotWritable"


def test_a_place_that_cannot_be_written() -> None:
    with pytest.raises(StateError, match="cannot be used") as caught:
        layouts.prepare(Layout(root=Path("/proc/airlock")))
    assert "--state DIR" in caught.value.hint


def test_a_path_longer_than_the_system_takes(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="File name too long"):
        layouts.prepare(Layout(root=tmp_path / ("x" * 300)))


@pytest.mark.parametrize("name", ["what?", "$HOME", "two\nlines", "ends with a space "])
def test_a_name_that_airflows_settings_cannot_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateError, match="cannot hold this path"):
        layouts.prepare(Layout(root=tmp_path / name))


def test_too_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_NEEDED_BYTES", 2**62)
    with pytest.raises(StateError, match="MB free; a deployment needs") as caught:
        layouts.prepare(Layout(root=tmp_path))
    assert caught.value.reason == "DiskFull"
