from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import scratch, tree
from airlock.errors import CommandFailed
from airlock.mirror import Mirror
from airlock.state import State

Fetch = Callable[[], str | None]
FILES = {"etl.py": "1", "helpers/x.py": "x", "sql/ü name.sql": "select 1"}


def test_a_tree_is_the_commit_and_nothing_else(mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch) -> None:
    upstream.write({"run.sh": "#!/bin/sh"})
    (upstream.clone / "run.sh").chmod(0o755)
    (upstream.clone / "link.py").symlink_to("etl.py")
    revision = upstream.push(FILES)
    fetch()
    made = tree.materialise(mirror.path, revision, state.trees("dags"))
    assert contents(made) == {**FILES, "run.sh": "#!/bin/sh", "link.py": "1"}
    assert os.access(made / "run.sh", os.X_OK)
    assert (made / "link.py").is_symlink()
    assert [path.name for path in state.trees("dags").iterdir()] == [revision]


def test_unchanged_files_keep_their_time_and_changed_and_affected_ones_get_a_new_one(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    first = upstream.push({**FILES, "uses_x.py": "import helpers.x"})
    fetch()
    old = tree.materialise(mirror.path, first, state.trees("dags"))
    long_ago = time.time() - 1000
    for path in old.rglob("*.*"):
        os.utime(path, (long_ago, long_ago))
    second = upstream.push({"helpers/x.py": "y", "new.py": "n"})
    fetch()
    new = tree.materialise(mirror.path, second, state.trees("dags"), previous=first, affected=["uses_x.py"])
    assert contents(new) == {**FILES, "uses_x.py": "import helpers.x", "helpers/x.py": "y", "new.py": "n"}
    fresh = {path.relative_to(new).as_posix() for path in new.rglob("*.*") if path.stat().st_mtime > time.time() - 100}
    assert fresh == {"helpers/x.py", "new.py", "uses_x.py"}
    assert contents(old)["helpers/x.py"] == "x"
    assert (old / "uses_x.py").stat().st_mtime == pytest.approx(long_ago, abs=1)


def test_a_changed_attributes_file_rewrites_what_it_governs(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    first = upstream.push({"a.txt": "line\n"})
    fetch()
    tree.materialise(mirror.path, first, state.trees("dags"))
    second = upstream.push({".gitattributes": "*.txt text eol=crlf\n"})
    fetch()
    made = tree.materialise(mirror.path, second, state.trees("dags"), previous=first)
    assert (made / "a.txt").read_bytes() == b"line\r\n"


def test_a_previous_tree_that_lost_files_does_no_harm(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    first = upstream.push(FILES)
    fetch()
    (tree.materialise(mirror.path, first, state.trees("dags")) / "etl.py").unlink()
    second = upstream.push({"b.py": "b"})
    fetch()
    made = tree.materialise(mirror.path, second, state.trees("dags"), previous=first)
    assert contents(made) == {**FILES, "b.py": "b"}


def test_many_at_once_make_one_tree(mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({f"dag_{number}.py": str(number) for number in range(200)})
    fetch()
    context = multiprocessing.get_context("fork")
    makers = [
        context.Process(target=tree.materialise, args=(mirror.path, revision, state.trees("dags"))) for _ in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0] * 8
    assert [path.name for path in state.trees("dags").iterdir()] == [revision]
    assert len(contents(state.trees("dags") / revision)) == 200


def test_what_a_killed_maker_left_is_not_taken_for_a_tree_and_goes(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    revision = upstream.push(FILES)
    fetch()
    staging = state.trees("dags").with_name("staging")
    maker = multiprocessing.get_context("fork").Process(target=die_while_staging, args=(staging, revision))
    maker.start()
    maker.join()
    assert list(staging.rglob("half.py"))
    made = tree.materialise(mirror.path, revision, state.trees("dags"))
    assert contents(made) == FILES
    assert [path.name for path in state.trees("dags").iterdir()] == [revision]
    assert list(staging.iterdir()) == []


def test_what_another_container_is_making_is_left_alone(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    revision = upstream.push(FILES)
    fetch()
    # Its processes have ids that mean nothing here; only the lock tells that it lives.
    with scratch.directory(state.trees("dags").with_name("staging")) as theirs:
        (theirs / "half.py").touch()
        tree.materialise(mirror.path, revision, state.trees("dags"))
        assert (theirs / "half.py").exists()


def test_a_commit_that_is_not_there_leaves_nothing_behind(
    mirror: Mirror, state: State, upstream: Upstream, fetch: Fetch
) -> None:
    upstream.push(FILES)
    fetch()
    with pytest.raises(CommandFailed):
        tree.materialise(mirror.path, "0" * 40, state.trees("dags"))
    assert list(state.trees("dags").iterdir()) == []


def die_while_staging(staging: Path, revision: str) -> None:
    with scratch.directory(staging) as place:
        (place / revision).mkdir()
        (place / revision / "half.py").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
