"""A release is confirmed when the DAG processor has stored what the verdict saw, and not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.upstream import Upstream
from tests.verdicts import dag, verdict

from airlock import confirm, enquiry, expectation, release
from airlock.confirm import Confirmation, Patience, Regression
from airlock.enquiry import Answer, ImportFault, Question, Stored
from airlock.errors import TransientError
from airlock.expectation import Watch
from airlock.mirror import Mirror
from airlock.state import State
from airlock.verdict import Finding, Suppressed, Verdict, compare

OLD = verdict("old", dags=(dag("etl", digest="old"), dag("kept")), inputs={"etl.py": (), "kept.py": ()})
NEW = replace(OLD, revision="new", dags=(dag("etl", digest="new"), dag("kept")))


def watch(new: Verdict = NEW, old: Verdict | None = OLD, awaited: tuple[str, ...] = ("etl",)) -> Watch:
    expected = expectation.of(new, awaited, old)
    return Watch(expected=expected, pending=dict(expected))


def answer(
    digest: str = "", *, version: str = "new", parsed_at: str = "1", errors: Mapping[str, str] | None = None
) -> Answer:
    dags = {"etl": Stored(version=version, parsed_at=parsed_at, digest=digest)} if digest else {}
    faults = {file: ImportFault(at=at, text="Traceback\nValueError: no") for file, at in (errors or {}).items()}
    return Answer(revision="new", at=parsed_at, dags=dags, errors=faults)


def test_a_dag_with_the_structure_of_its_verdict_is_settled() -> None:
    seen = watch()
    seen.take(answer("new", parsed_at="7"))
    assert (seen.pending, seen.parse, seen.live_at) == ({}, {}, "7")


def test_a_dag_of_another_version_is_waited_for() -> None:
    seen = watch()
    seen.take(answer("new", version="old"))
    assert list(seen.pending) == ["etl"]
    assert seen.parse == {}


def test_an_old_structure_under_the_new_version_is_parsed_again_once_a_parse() -> None:
    seen = watch()
    for parsed_at in ("1", "1", "2"):
        seen.take(answer("old", parsed_at=parsed_at))
    assert list(seen.pending) == ["etl"]
    assert seen.parse == {"etl.py": 2}
    seen.take(answer("new", parsed_at="3"))
    assert (seen.pending, seen.differing) == ({}, [])


def test_a_dag_that_is_another_one_each_time_is_parsed_again_once_and_told() -> None:
    seen = watch()
    seen.take(answer("today", parsed_at="1"))
    assert list(seen.pending) == ["etl"]
    seen.take(answer("tomorrow", parsed_at="2"))
    assert (seen.pending, seen.differing, seen.parse) == ({}, ["etl"], {"etl.py": 1})


def test_an_unchanged_structure_needs_no_second_parse() -> None:
    seen = watch(replace(NEW, dags=OLD.dags))
    seen.take(answer("old"))
    assert (seen.pending, seen.parse) == ({}, {})


def test_an_import_error_counts_when_three_parses_had_it() -> None:
    seen = watch()
    for at in ("1", "1", "2", "2"):
        seen.take(answer(errors={"etl.py": at}))
        assert seen.faults == []
    assert seen.parse == {"etl.py": 2}
    seen.take(answer(errors={"etl.py": "3"}))
    assert seen.faults == ["etl.py: the DAG processor cannot import it: ValueError: no"]


def test_an_import_error_that_the_verdict_tolerates_does_not_count() -> None:
    finding = Finding(rule="import-error", severity="error", message="no", file="etl.py")
    seen = watch(replace(NEW, suppressed=(Suppressed(finding=finding, reason="known"),)))
    for at in "123":
        seen.take(answer(errors={"etl.py": at}))
    assert (seen.faults, seen.parse) == ([], {})


def test_an_import_error_of_another_file_is_not_of_this_release() -> None:
    seen = watch()
    for at in "123":
        seen.take(answer(errors={"kept.py": at}))
    assert seen.faults == []


def test_files_are_named_as_airflow_names_them_in_a_subdir() -> None:
    seen = expectation.of(verdict("r", subdir="dags", dags=(dag("etl", file="dags/a/etl.py"),)), ["etl"], None)
    assert seen["etl"].file == "a/etl.py"


def test_what_the_live_release_has_too_is_parsed_before_all_others(tmp_path: Path) -> None:
    new = replace(NEW, dags=(*NEW.dags, dag("more")))
    confirm.ask(tmp_path, new, ["etl", "more"], OLD)
    asked = enquiry.asked(tmp_path)
    assert asked == Question(revision="new", dags=("etl", "more"), parse={"etl.py": 1, "more.py": 0})


def test_a_question_of_another_release_is_not_closed(tmp_path: Path) -> None:
    question = Question(revision="new", dags=("etl",))
    enquiry.ask(tmp_path, question)
    enquiry.close(tmp_path, "old")
    assert enquiry.asked(tmp_path) == question
    enquiry.close(tmp_path, "new")
    assert enquiry.asked(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"until": 1e99}', '{"until": 1e99, "revision": "r", "dags": 1}'])
def test_a_damaged_question_or_answer_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "question.json").write_text(text)
    (tmp_path / "answer.json").write_text(text)
    assert enquiry.asked(tmp_path) is None
    assert enquiry.answered(tmp_path) is None


@pytest.fixture
def folder(state: State) -> Path:
    return state.enquiry("dags")


@pytest.fixture
def released(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> list[str]:
    """Two releases of real commits, ``etl`` changed in the second; returns their revisions."""
    revisions = [upstream.push({"etl.py": "1"}), upstream.push({"etl.py": "2"})]
    fetch()
    before: Verdict | None = None
    for revision, template in zip(revisions, (OLD, NEW), strict=True):
        judged = replace(template, revision=revision)
        with mirror.locked():
            mirror.write_verdict(judged)
            live = before.revision if before else None
            release.publish(mirror, judged, expected=live, who="a", why="b", changes=compare(before, judged))
        before = judged
    return revisions


@contextmanager
def processor(folder: Path, parse: Callable[[Question, int], Answer | None]) -> Iterator[None]:
    """A DAG processor that answers each question once a turn; ``parse`` is told the number of the turn."""
    ended = threading.Event()

    def loop() -> None:
        turn = 0
        while not ended.wait(0.02):
            question = enquiry.asked(folder)
            told = parse(question, turn := turn + 1) if question else None
            if told:
                enquiry.answer(folder, told)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def at(turn: int) -> str:
    return f"2099-01-01T00:00:{turn % 60:02d}+00:00"


def test_a_release_with_an_old_structure_is_confirmed_only_after_it_was_healed(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    new = released[1]

    def parse(question: Question, turn: int) -> Answer:
        healed = question.parse["etl.py"] > 1
        stored = Stored(version=new, parsed_at=at(int(healed)), digest="new" if healed else "old")
        return Answer(revision=new, at=at(turn), dags={"etl": stored}, errors={})

    with processor(folder, parse):
        done = confirm.confirm(folder, mirror, 2, ["etl"])
    assert isinstance(done, Confirmation)
    assert (done.release, done.revision, done.differing) == (2, new, ())
    assert confirm.is_confirmed(mirror, 2)
    assert enquiry.asked(folder) is None


def test_an_answer_from_an_earlier_time_that_the_revision_was_live_does_not_count(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    stored = Stored(version=released[1], parsed_at=at(0), digest="new")
    enquiry.answer(folder, Answer(revision=released[1], at=at(0), dags={"etl": stored}, errors={}))
    with pytest.raises(TransientError, match=r"says nothing of release 2 after 0\.3 s: etl") as caught:
        confirm.confirm(folder, mirror, 2, ["etl"], patience=Patience(silent_s=0.3))
    assert caught.value.reason == "NotPickedUp"
    assert not confirm.is_confirmed(mirror, 2)


def test_a_file_that_the_dag_processor_cannot_import_is_a_regression(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    def parse(question: Question, turn: int) -> Answer:
        fault = ImportFault(at=at(question.parse["etl.py"]), text="KeyError: 'HOME_OF_DATA'\n")
        return Answer(revision=released[1], at=at(turn), dags={}, errors={"etl.py": fault})

    with processor(folder, parse):
        done = confirm.confirm(folder, mirror, 2, ["etl"])
    assert isinstance(done, Regression)
    assert done.faults == ("etl.py: the DAG processor cannot import it: KeyError: 'HOME_OF_DATA'",)


def test_a_dag_that_never_comes_is_a_regression_while_the_dag_processor_answers(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    with processor(folder, lambda _, turn: Answer(revision=released[1], at=at(turn), dags={}, errors={})):
        done = confirm.confirm(folder, mirror, 2, ["etl"], patience=Patience(stalled_s=1.5))
    assert isinstance(done, Regression)
    assert done.faults == ("etl.py: the DAG processor has not stored DAG etl; its import may crash or hang there",)


def test_a_dag_processor_that_was_away_gets_its_time_once_it_is_there(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    stored = {"etl": Stored(version=released[1], parsed_at=at(99), digest="new")}

    def parse(_: Question, turn: int) -> Answer:
        time.sleep(1.5 if turn == 1 else 0)
        return Answer(revision=released[1], at=at(turn), dags=stored if turn > 20 else {}, errors={})

    with processor(folder, parse):
        done = confirm.confirm(folder, mirror, 2, ["etl"], patience=Patience(silent_s=10, stalled_s=1.2))
    assert isinstance(done, Confirmation)


def test_a_release_that_was_superseded_is_not_confirmed(folder: Path, mirror: Mirror, released: list[str]) -> None:
    assert confirm.confirm(folder, mirror, 1, ["etl"]) is None


def test_a_release_without_dags_is_confirmed_when_the_dag_processor_serves_it(
    folder: Path, mirror: Mirror, released: list[str]
) -> None:
    with processor(folder, lambda _, turn: Answer(revision=released[1], at=at(turn), dags={}, errors={})):
        assert isinstance(confirm.confirm(folder, mirror, 2, []), Confirmation)
