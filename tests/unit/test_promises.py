"""Each promise has a story, and the story fails when the promise is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests import breaches
from tests.breaches import Breach

from airlock import project

PAGE = (project.ROOT / "docs" / "promises.md").read_text()
README = (project.ROOT / "README.md").read_text()
PROMISES = re.findall(r"^(\d)\. \*\*(.+?)\.?\*\*", README, re.MULTILINE)
ALL = (*breaches.UNIT, *breaches.AIRFLOW, *breaches.DEPLOYMENT)


@pytest.mark.parametrize("breach", breaches.UNIT, ids=lambda breach: breach.what)
def test_a_broken_promise_is_noticed(breach: Breach, tmp_path: Path) -> None:
    breaches.assert_it_is_noticed(breach, tmp_path / "broken")


@pytest.mark.parametrize("breach", [*breaches.AIRFLOW, *breaches.DEPLOYMENT], ids=lambda breach: breach.what)
def test_the_other_breaches_are_up_to_date(breach: Breach, tmp_path: Path) -> None:
    breaches.copy(tmp_path / "broken", breach.edits)


def test_every_promise_of_the_readme_is_broken_at_least_once() -> None:
    assert [number for number, _ in PROMISES] == [str(number) for number in range(1, 8)]
    assert {str(breach.promise) for breach in ALL} == {number for number, _ in PROMISES}


def test_the_page_of_the_promises_names_every_story_and_every_breach() -> None:
    for number, title in PROMISES:
        (section,) = re.findall(rf"^## {number}\. (.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
        assert section.startswith(title)
        rows = {(what, test) for what, test in re.findall(r"^\| (.+) \| `(test_\w+)` \|$", section, re.MULTILINE)}
        assert rows == {(breach.what, breach.test) for breach in ALL if str(breach.promise) == number}
