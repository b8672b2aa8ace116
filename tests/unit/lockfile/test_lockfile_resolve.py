"""The question to the index: what it takes from this machine, and what each kind of failure is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.errors import OperatorError, TransientError
from airlock.lockfile import resolve


@pytest.fixture
def index(wheelhouse, monkeypatch):
    """Return a function that lets uv see the wheels made so far as its package index."""

    def use():
        monkeypatch.delenv("UV_OFFLINE")
        monkeypatch.setenv("UV_DEFAULT_INDEX", wheelhouse.index())

    return use


def versions(answer):
    return {entry["name"]: entry["version"] for entry in answer["packages"]}


def test_roots_and_what_they_need_come_with_the_pinned_versions(wheelhouse, index):
    wheelhouse.add("top", needs=["bottom", "elsewhere; sys_platform == 'win32'"])
    wheelhouse.add("bottom", "1.0")
    wheelhouse.add("bottom", "2.0")
    wheelhouse.add("elsewhere", "3.0")
    index()
    answer = resolve.resolve(["top"], {"top": "1.0", "bottom": "1.0"})
    assert versions(answer) == {"bottom": "1.0", "elsewhere": "3.0", "top": "1.0"}
    assert [entry.get("marker") for entry in answer["packages"]] == [None, "sys_platform == 'win32'", None]


def test_settings_of_this_machine_do_not_change_the_answer(wheelhouse, index, tmp_path, monkeypatch):
    wheelhouse.add("top", needs=["bottom"])
    wheelhouse.add("bottom", "1.0")
    wheelhouse.add("bottom", "2.0")
    index()
    before = resolve.resolve(["top"], {"top": "1.0"})
    assert versions(before)["bottom"] == "2.0"

    constraint = tmp_path / "constraint.txt"
    constraint.write_text("bottom<2\n")
    more = tmp_path / "more"
    more.mkdir()
    wheelhouse.__class__(root=more).add("bottom", "9.0")
    settings = Path.home() / ".config" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[pip]\nresolution = "lowest"\n')
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["bottom<2"]\n')
    for name in ("UV_CONSTRAINT", "UV_OVERRIDE", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, str(constraint))
    monkeypatch.setenv("UV_FIND_LINKS", str(more))
    monkeypatch.setenv("PIP_FIND_LINKS", str(more))
    monkeypatch.chdir(project)
    assert resolve.resolve(["top"], {"top": "1.0"}) == before


def test_versions_that_the_index_does_not_have_are_named(wheelhouse, index):
    wheelhouse.add("top")
    index()
    with pytest.raises(OperatorError, match=r"top==7\.0") as raised:
        resolve.resolve(["top"], {"top": "7.0"})
    assert raised.value.reason == "NoResolution"


@pytest.mark.parametrize("setting", [{"UV_OFFLINE": "1"}, {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}])
def test_without_an_index_it_says_so_in_words_that_stay_the_same(monkeypatch, caplog, setting):
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TransientError) as raised:
        resolve.resolve(["top"], {"top": "1.0"})
    assert (raised.value.reason, raised.value.message) == ("IndexUnreachable", "no package index answered")
    assert caplog.text  # what uv said is for whoever reads the log


def test_an_index_that_does_not_answer_in_time_is_unreachable(wheelhouse, index):
    wheelhouse.add("top")
    index()
    with pytest.raises(TransientError) as raised:
        resolve.resolve(["top"], {"top": "1.0"}, timeout_s=0.001)
    assert raised.value.reason == "IndexUnreachable"
