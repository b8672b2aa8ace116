"""What is damaged in a mirror is not taken for what is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.damage import WAYS, Way, hurt, hurt_file, pack
from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import git, hold, pointer, rebuild, refusal, release, rollback, status
from airlock.errors import CommandFailed, CommandTimeout
from airlock.mirror import Mirror
from airlock.state import State
from airlock.verdict import Changes

HOLD = hold.new("dora", "quarter close")


@pytest.fixture
def live(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> str:
    """A release, its verdict and a hold."""
    revision = upstream.push({"a.py": "1", "lib/words.py": "2"})
    fetch()
    with mirror.locked():
        judged = verdict(revision)
        mirror.write_verdict(judged)
        assert release.publish(mirror, judged, expected=None, who="dora", why="", changes=Changes())
        hold.put(mirror, HOLD)
    return revision


@pytest.fixture
def failing_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts a script in the place of git."""

    def put(script: str) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    return put


def test_without_a_mirror_a_revision_or_a_note_there_is_no_verdict(mirror: Mirror, upstream: Upstream) -> None:
    assert mirror.read_verdict("0" * 40) is None
    with mirror.locked():
        pass
    assert mirror.read_verdict("0" * 40) is None
    assert mirror.read_verdict("no-such-thing") is None


@pytest.mark.parametrize(
    "script",
    [
        "kill -9 $$",
        "echo 'error: unable to open loose object 1234: Input/output error' >&2; exit 128",
        "echo 'fatal: something else' >&2; exit 128",
    ],
)
def test_a_git_that_fails_does_not_mean_that_there_is_no_verdict_and_no_hold(
    mirror: Mirror, live: str, failing_git: Callable[[str], None], script: str
) -> None:
    failing_git(script)
    with pytest.raises(CommandFailed):
        mirror.read_verdict(live)
    with pytest.raises(CommandFailed):
        hold.read(mirror)


def test_a_git_that_does_not_answer_does_not_mean_that_there_is_no_verdict(
    mirror: Mirror, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise CommandTimeout("git was killed")

    monkeypatch.setattr(git, "run_process", never)
    with pytest.raises(CommandTimeout):
        mirror.read_verdict(live)


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_verdict_counts_as_none_and_the_next_one_replaces_it(mirror: Mirror, live: str, way: Way) -> None:
    hurt(mirror.path, git.run(mirror.path, "notes", "--ref=verdicts", "list", live).text, way)
    assert mirror.read_verdict(live) is None
    again = verdict(live, result="rejected")
    with mirror.locked():
        mirror.write_verdict(again)
    assert mirror.read_verdict(live) == again


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["refs/notes/verdicts", "refs/notes/verdicts^{tree}"])
def test_where_no_verdict_can_be_written_any_more_the_mirror_is_to_be_made_again(
    mirror: Mirror, upstream: Upstream, live: str, what: str, way: Way
) -> None:
    hurt(mirror.path, what, way)
    assert mirror.read_verdict(live) is None
    with mirror.locked(), pytest.raises(CommandFailed) as caught:
        mirror.write_verdict(verdict(live))
    assert rebuild.is_due(mirror, caught.value)
    make_again(mirror, upstream)
    with mirror.locked():
        mirror.write_verdict(verdict(live))
    assert mirror.read_verdict(live) == verdict(live)


def test_a_verdict_does_not_depend_on_the_files_of_live(mirror: Mirror, live: str) -> None:
    hurt(mirror.path, f"{live}^{{tree}}", "empty")
    assert mirror.read_verdict(live) == verdict(live)


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_hold_holds(mirror: Mirror, state: State, upstream: Upstream, live: str, way: Way) -> None:
    hurt(mirror.path, hold.REF, way)
    held = hold.read(mirror)
    assert held == hold.DAMAGED
    assert str(held) == "on hold by unknown: the record of the hold was damaged"
    told = status.read_source(state, mirror.source).hold
    assert told is not None
    assert hold.Hold(**told) == held
    make_again(mirror, upstream)
    assert hold.read(mirror) == held
    git.run(mirror.path, "fsck", "--connectivity-only")
    with mirror.locked():
        assert hold.remove(mirror) == held
    assert hold.read(mirror) is None


@pytest.mark.parametrize("content", ["", "\0" * 41, "no object name\n"])
@pytest.mark.parametrize("then", ["rebuild", "remove", "roll back"])
def test_a_hold_whose_ref_is_damaged_holds_until_somebody_ends_it(
    mirror: Mirror, state: State, upstream: Upstream, live: str, content: str, then: str
) -> None:
    second = upstream.push({"a.py": "2"})
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
    (mirror.path / hold.REF).write_text(content)
    assert hold.read(mirror) == hold.DAMAGED
    if then == "rebuild":
        make_again(mirror, upstream)
        assert hold.read(mirror) == hold.DAMAGED
    if then == "roll back":
        with mirror.locked():
            assert release.publish(mirror, verdict(second), expected=live, who="", why="", changes=Changes())
        assert rollback.roll_back(mirror, state, who="ed", why="late").reason == "RolledBack"
        held = hold.read(mirror)
        assert held is not None
        assert held.who == "ed"
    with mirror.locked():
        assert hold.remove(mirror)
    assert hold.read(mirror) is None


def test_a_hold_that_can_be_read_is_carried_over(mirror: Mirror, upstream: Upstream, live: str) -> None:
    make_again(mirror, upstream)
    assert hold.read(mirror) == HOLD
    with mirror.locked():
        hold.remove(mirror)
    make_again(mirror, upstream)
    assert hold.read(mirror) is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["", "^{tree}", ":lib", ":a.py"])
def test_a_release_is_kept_when_upstream_still_has_what_is_damaged_of_it(
    mirror: Mirror, upstream: Upstream, live: str, what: str, way: Way
) -> None:
    hurt(mirror.path, f"{live}{what}", way)
    make_again(mirror, upstream)
    assert [one.revision for one in release.history(mirror)] == [live] == [release.live_revision(mirror)]
    git.run(mirror.path, "fsck", "--connectivity-only")


@pytest.mark.parametrize("content", ["", "\0" * 41, "no object name\n"])
def test_a_damaged_ref_of_live_is_not_taken_for_none_or_for_an_older_release(
    mirror: Mirror, upstream: Upstream, live: str, content: str
) -> None:
    git.run(mirror.path, "pack-refs", "--all")
    second = upstream.push({"a.py": "2"})
    with mirror.fetching():
        mirror.fetch(upstream.url, env={})
    with mirror.locked():
        assert release.publish(mirror, verdict(second), expected=live, who="", why="", changes=Changes())
    (mirror.path / pointer.LIVE).write_text(content)
    assert pointer.live(mirror.path) is None
    with pytest.raises(CommandFailed) as caught:
        release.live_revision(mirror)
    assert rebuild.is_due(mirror, caught.value)
    make_again(mirror, upstream)
    assert release.live_revision(mirror) == second
    assert hold.read(mirror) == HOLD


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_nothing_of_a_damaged_pack_is_none(mirror: Mirror, live: str, suffix: str, way: Way) -> None:
    hurt_file(pack(mirror.path).with_suffix(suffix), way)
    if way != "delete":  # what is gone without a trace cannot be told from what never was
        with pytest.raises(CommandFailed) as caught:
            release.live_revision(mirror)
        assert rebuild.is_due(mirror, caught.value)
    assert hold.read(mirror) == hold.DAMAGED


@pytest.mark.parametrize(
    ("words", "is_damage"),
    [
        ("fatal: loose object 12ab (stored in objects/12/ab) is corrupt", True),
        ("error: unable to read sha1 file of d/a.py (12ab)", True),
        ("error: unable to create file corrupt.py: No space left on device", False),
        ("error: unable to open loose object 12ab: Input/output error", False),
        ("fatal: could not read Username for 'https://example.org': terminal prompts disabled", False),
        ("fatal: unable to read tree 12ab: Input/output error", False),
        ("error: no note found for object 12ab.", False),
    ],
)
def test_the_words_of_damage_are_told_from_others(words: str, is_damage: bool) -> None:
    assert refusal.is_damage(words) is is_damage


def test_damage_of_another_repository_is_not_that_of_the_mirror(mirror: Mirror, live: str, tmp_path: Path) -> None:
    git.init_bare(tmp_path / "other.git")
    with pytest.raises(CommandFailed) as caught:
        git.run(tmp_path / "other.git", "cat-file", "commit", live)
    assert refusal.is_damage(caught.value.stderr)
    assert not rebuild.is_due(mirror, caught.value)


def make_again(mirror: Mirror, upstream: Upstream) -> None:
    with mirror.fetching():
        rebuild.rebuild(mirror, upstream.url, env={})
