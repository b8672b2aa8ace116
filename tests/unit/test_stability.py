from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.observed import outcome
from tests.verdicts import dag

from airlock.validate import stability


class Imports:
    """Imports again, as the child would: each time with the next digest."""

    def __init__(self, *digests: str) -> None:
        self.digests = list(digests)
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, files: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        self.asked.append(tuple(files))
        for file in files:
            digest = self.digests.pop(0)
            dags = [{"dag_id": "etl", "digest": digest}]
            yield file, {"dags": dags, "parts": {"etl": {"start_date": digest, "task a, cwd": "same"}}}


def look(root: Path, again: Imports, text: str, **values: Any) -> dict[str, tuple[str, ...]]:
    (root / "etl.py").write_text(text)
    one = outcome("etl.py", **{"dags": (dag("etl", digest="d1"),), "inputs": ("etl.py",), **values})
    (after,) = stability.add(root, [one], again)
    return dict(after.unstable)


@pytest.mark.parametrize(
    "text",
    [
        "from airflow.sdk import dag\n",
        "known = 1\nrandomised = 2\nnow = 3\n",
        "from datetime import timedelta\n",
        "start.strftime('%H')\n",
    ],
)
def test_a_file_that_uses_nothing_varying_is_not_imported_again(tmp_path: Path, text: str) -> None:
    again = Imports()
    assert look(tmp_path, again, text) == {}
    assert [files for files in again.asked if files] == []


@pytest.mark.parametrize(
    "text",
    [
        "datetime.now()",
        "uuid.uuid4()",
        "random.choice(x)",
        "import requests",
        "time()",
        "time.strftime('%H')",
        "from time import strftime",
        "localtime()",
        "os.urandom(4)",
        "datetime.utcnow()",
    ],
)
def test_a_file_that_might_vary_and_does_not_gives_nothing(tmp_path: Path, text: str) -> None:
    again = Imports("d1")
    assert look(tmp_path, again, text) == {}
    assert again.asked[0] == ("etl.py",)


def test_what_differs_is_named_from_two_more_imports(tmp_path: Path) -> None:
    assert look(tmp_path, Imports("d2", "d3"), "datetime.now()") == {"etl": ("start_date",)}


def test_a_module_that_the_file_imports_counts(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("import uuid\n")
    assert "etl" in look(tmp_path, Imports("d2", "d3"), "import shared\n", inputs=("etl.py", "shared.py"))


@pytest.mark.parametrize(
    "name", ["zero.py", "outside.py", "folder.py", "pipe.py", "gone.py", "a\0b.py", "b" * 300 + ".py"]
)
def test_only_files_of_the_tree_are_read(tmp_path: Path, name: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (tmp_path / "outside.py").write_text("import uuid\n")
    (root / "zero.py").symlink_to("/dev/zero")
    (root / "outside.py").symlink_to("../outside.py")
    (root / "folder.py").mkdir()
    os.mkfifo(root / "pipe.py")
    again = Imports()
    assert look(root, again, "import json\n", inputs=("etl.py", name)) == {}
    assert [files for files in again.asked if files] == []


@pytest.mark.parametrize("parts", [None, 1, [], {"etl": None}, {"etl": ["task a"]}, {"etl": {}}])
def test_a_result_that_another_hand_wrote_does_no_harm(tmp_path: Path, parts: Any) -> None:
    forged = {"dags": [{"dag_id": "etl", "digest": "d2"}], "parts": parts}
    (tmp_path / "etl.py").write_text("datetime.now()")
    one = outcome("etl.py", dags=(dag("etl", digest="d1"),), inputs=("etl.py", 1, ["a"]))
    (after,) = stability.add(tmp_path, [one], lambda files: [(file, forged) for file in files])
    assert after.unstable == {"etl": ()}


def test_a_file_without_dags_and_one_that_fails_the_second_time_give_nothing(tmp_path: Path) -> None:
    assert look(tmp_path, Imports(), "datetime.now()", dags=()) == {}
    assert look(tmp_path, Imports("d1"), "datetime.now()", dags=(dag("other"),)) == {}
