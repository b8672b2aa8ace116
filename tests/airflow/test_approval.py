"""What a guard stops, what a person's answer does, and what makes a question void, with real syncs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from tests.upstream import Upstream

from airlock import (
    approval,
    approval_task,
    hold,
    judgement,
    release as releases,
    resume,
    status,
    sync,
)
from airlock.errors import ConfigError, OperatorError, StateError
from airlock.forge.status import Status
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers
from airlock.validate.policy import parse

DAG_FILE = """
from airflow.sdk import dag, task


@dag(schedule="@daily", tags={tags!r})
def {name}():
    @task
    def work():
        print("{name}")

    work()


{name}()
"""
CLOSED = f'[[guards.freezes]]\ncron = "0 0 * * *"\nhours = {24 * 3}\n'
BOB = {"id": "2", "name": "bob"}


@pytest.fixture
def asked() -> list[tuple[str, Mapping[str, Any]]]:
    """The questions that were put to Airflow."""
    return []


@pytest.fixture
def runs_told() -> list[str]:
    """What Airflow was told to do with the runs that ask."""
    return []


@pytest.fixture
def run(
    state: State, source: Source, asked: list[tuple[str, Mapping[str, Any]]], runs_told: list[str]
) -> Callable[..., sync.Outcome]:
    def ask(_source: str, run_id: str, page: Mapping[str, Any], again: bool) -> None:
        asked.append((run_id, page))
        runs_told.append(f"{'ask anew' if again else 'ask'} {run_id}")

    def run_now(policy: str = "", **request: object) -> sync.Outcome:
        terms = sync.Terms(
            policy=lambda: parse(policy)[0], ask=ask, end=lambda _source, run_id: runs_told.append(f"end {run_id}")
        )
        return sync.run(source, state, sync.Request(**request), Answers(), terms)  # type: ignore[arg-type]

    return run_now


@pytest.fixture
def reply(
    state: State, upstream: Upstream, tmp_path: Path, asked: list[tuple[str, Mapping[str, Any]]]
) -> Callable[..., sync.Outcome | None]:
    """Return a function that runs the tasks after an answer as Airflow does."""
    bundle = {
        "name": "dags",
        "classpath": "airlock.bundle.AirlockDagBundle",
        "kwargs": {"repo_url": upstream.url},
    }
    environ = {
        "AIRLOCK_STATE": str(state.root),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
    }

    def reply_now(option: str, user: Mapping[str, str] | None = BOB, policy: str = "") -> sync.Outcome | None:
        (tmp_path / "policy.toml").write_text(policy)
        told = {"chosen_options": [option], "responded_by_user": user}
        context = {
            "dag_run": SimpleNamespace(run_id=asked[-1][0]),
            "ti": SimpleNamespace(xcom_pull=lambda task_ids: {"ask": told}[task_ids]),
        }
        within = {**environ, "AIRLOCK_POLICY": str(tmp_path / "policy.toml")}
        if option == "Approve":
            outcome = approval_task.publish("dags", context, within)
            approval_task.close("dags", context, within)
            return outcome
        approval_task.close("dags", context, within)
        return None

    return reply_now


def files(*names: str, tags: tuple[str, ...] = ()) -> dict[str, str | bytes | None]:
    return {f"{name}.py": DAG_FILE.format(name=name, tags=list(tags)) for name in names}


@pytest.fixture
def cut(run: Callable[..., sync.Outcome], upstream: Upstream) -> tuple[str, str]:
    """What is live, and a push that removes most of it."""
    live = upstream.push(files("a", "b", "c", "d"))
    assert run().result == "published"
    return live, upstream.push({"a.py": None, "b.py": None, "c.py": None})


def test_a_push_that_removes_most_dags_waits_and_a_person_lets_it_go_live(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
    state: State,
    source: Source,
    asked: list[tuple[str, Mapping[str, Any]]],
) -> None:
    live, pushed = cut
    waiting = run(why="tidy up")
    assert (waiting.result, waiting.reason, waiting.changes) == ("waiting", "ApprovalNeeded", ("- a", "- b", "- c"))
    assert (releases.live_revision(mirror), mirror.judged_revision()) == (live, pushed)
    ((_, page),) = asked
    assert "3 of 4 live DAGs would be removed: a, b, c" in page["subject"]
    assert "- a\n- b\n- c" in page["body"]
    question = status.read_source(state, source).question
    assert question
    assert str(question) == f"{pushed[:12]}: waits for approval: 3 of 4 live DAGs would be removed: a, b, c"

    published = reply("Approve")
    assert published
    assert (published.result, published.revision, published.awaited) == ("published", pushed, ("d",))
    newest = releases.history(mirror)[0]
    assert (newest.kind, newest.who, newest.why, newest.changes) == (
        "approved",
        "bob",
        "tidy up",
        ("- a", "- b", "- c"),
    )
    assert approval.read(mirror) is None
    assert run().reason == "AlreadyLive"


@pytest.mark.parametrize(("user", "told"), [(BOB, "rejected by bob"), (None, "nobody answered in time")])
def test_reject_and_time_out_leave_live_and_nobody_is_asked_again_unless_it_is_forced(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
    asked: list[tuple[str, Mapping[str, Any]]],
    user: Mapping[str, str] | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    statuses: list[Status] = []
    monkeypatch.setattr("airlock.forge.delivery.tell", lambda _mirror, status: statuses.append(status))
    reply("Reject", user)
    why = "by bob" if user else "in time"
    assert [(one.revision, one.state, one.description) for one in statuses] == [
        (cut[1], "failure", f"Passed, and not approved {why}")
    ]
    again = run()
    assert (again.reason, len(asked), releases.live_revision(mirror)) == ("ApprovalNeeded", 1, cut[0])
    assert told in again.message
    run(force=True)
    assert [one[0] for one in asked] == [asked[0][0]] * 2
    published = reply("Approve")
    assert published
    assert published.result == "published"


def test_a_newer_revision_supersedes_the_question(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    upstream: Upstream,
    mirror: Mirror,
    state: State,
    source: Source,
) -> None:
    run()
    upstream.push({"broken.py": "1/0  # airflow dag\n"})
    assert run().result == "rejected"
    assert status.read_source(state, source).question is None
    outcome = reply("Approve")
    assert outcome
    assert (outcome.result, outcome.reason, releases.live_revision(mirror)) == ("unchanged", "Superseded", cut[0])
    back = upstream.push({"broken.py": None, **files("a", "b", "c")})
    assert (run().result, releases.live_revision(mirror)) == ("published", back)
    assert releases.history(mirror)[0].kind == "release"


def test_the_run_of_a_superseded_question_ends_once_and_the_same_question_is_asked_anew(
    run: Callable[..., sync.Outcome],
    cut: tuple[str, str],
    upstream: Upstream,
    mirror: Mirror,
    asked: list[tuple[str, Mapping[str, Any]]],
    runs_told: list[str],
) -> None:
    run()
    run()
    ((first, _), _) = asked
    assert runs_told == [f"ask anew {first}", f"ask {first}"]
    assert approval.is_open(mirror, first)
    upstream.push({"README.md": "still without them"})
    assert run().reason == "ApprovalNeeded"
    second = asked[-1][0]
    assert runs_told[2:] == [f"end {first}", f"ask anew {second}"]
    assert (approval.is_open(mirror, first), approval.is_open(mirror, second)) == (False, True)
    upstream.git("push", "--quiet", "--force", "origin", f"{cut[1]}:refs/heads/main")
    assert run().reason == "ApprovalNeeded"
    assert runs_told[4:] == [f"end {second}", f"ask anew {first}"]
    upstream.git("push", "--quiet", "--force", "origin", f"{cut[0]}:refs/heads/main")
    run()
    run()
    assert runs_told[6:] == [f"end {first}"]


def test_another_release_supersedes_the_question_too(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    upstream: Upstream,
    mirror: Mirror,
    runs_told: list[str],
) -> None:
    first = upstream.push(files("a", "b", "c", "d"))
    run()
    second = upstream.push(files("e"))
    run()
    upstream.push(dict.fromkeys(("a.py", "b.py", "c.py")))
    assert run().reason == "ApprovalNeeded"
    assert run(ref=first).result == "published"
    assert [line.split()[0] for line in runs_told] == ["ask", "end"]
    outcome = reply("Approve")
    assert outcome
    assert (outcome.reason, releases.live_revision(mirror)) == ("Superseded", first)
    assert second != first


def test_an_approval_during_a_hold_is_published_by_resume(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
    state: State,
    source: Source,
) -> None:
    run()
    with mirror.locked():
        hold.put(mirror, hold.new("dora", ""))
    outcome = reply("Approve")
    assert outcome
    assert (outcome.reason, releases.live_revision(mirror)) == ("OnHold", cut[0])
    resumed = resume.resume(source, state, Answers(), sync.Terms(), who="dora", why="")
    assert (resumed.result, releases.history(mirror)[0].kind) == ("published", "approved")


def test_a_closed_window_asks_nobody_and_tells_the_watcher_when_to_come_back(
    run: Callable[..., sync.Outcome],
    upstream: Upstream,
    mirror: Mirror,
    asked: list[tuple[str, Mapping[str, Any]]],
) -> None:
    pushed = upstream.push(files("a"))
    waiting = run(CLOSED)
    assert (waiting.result, waiting.reason, asked) == ("waiting", "OutsideWindow", [])
    assert (mirror.judged_revision(), releases.live_revision(mirror)) == (pushed, None)
    assert datetime.fromisoformat(str(mirror.judged_under()["opens"])) > datetime.now(UTC) + timedelta(days=1)
    assert run().result == "published"
    assert mirror.judged_under()["opens"] == ""


def test_an_approval_does_not_open_a_window(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
) -> None:
    assert run(CLOSED).reason == "ApprovalNeeded"
    outcome = reply("Approve", policy=CLOSED)
    assert outcome
    assert (outcome.reason, releases.live_revision(mirror)) == ("OutsideWindow", cut[0])
    assert mirror.judged_under()["opens"] == outcome.opens != ""
    assert run().result == "published"
    newest = releases.history(mirror)[0]
    assert (newest.kind, newest.who) == ("approved", "bob")


def test_protected_dags_are_those_of_what_is_live_and_a_helper_counts(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    upstream.push(
        {
            "a.py": "import words\n" + DAG_FILE.format(name="a", tags=[]),
            "words.py": "WORD = 1\n",
            "airlock.toml": '[guards]\nprotected = ["a"]\n',
            **files("pay", tags=("protected",)),
            **files("b"),
        }
    )
    assert run().result == "published"
    upstream.push({"words.py": "WORD = 2\n", "airlock.toml": None, **files("pay"), **files("b", tags=("x",))})
    waiting = run()
    assert waiting.reason == "ApprovalNeeded"
    question = approval.read(mirror)
    assert question
    assert question.objections == ("a is protected and would be changed", "pay is protected and would be changed")


def test_an_unreadable_verdict_of_live_disarms_no_guard(
    run: Callable[..., sync.Outcome], cut: tuple[str, str], mirror: Mirror
) -> None:
    from airlock import git

    git.run(mirror.path, "notes", "--ref=refs/notes/verdicts", "remove", cut[0])
    assert run().reason == "ApprovalNeeded"


def test_what_was_judged_in_another_environment_is_judged_again_before_an_approval_publishes_it(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    monkeypatch.setattr(judgement, "environment_digest", lambda: "of the next image")
    outcome = reply("Approve")
    assert outcome
    assert (outcome.result, outcome.reason, releases.live_revision(mirror)) == ("waiting", "JudgedBefore", cut[0])
    assert mirror.judged_revision() is None  # the watcher asks for a sync
    assert run().result == "published"
    newest, verdict = releases.history(mirror)[0], mirror.read_verdict(cut[1])
    assert verdict
    assert (newest.kind, newest.who, verdict.environment) == ("approved", "bob", "of the next image")


def test_an_approval_whose_publish_fails_is_published_by_the_next_sync(
    run: Callable[..., sync.Outcome],
    reply: Callable[..., sync.Outcome | None],
    cut: tuple[str, str],
    mirror: Mirror,
) -> None:
    run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airlock.tree.materialise", Mock(side_effect=StateError("the disk is full")))
        with pytest.raises(StateError):
            reply("Approve")
    assert (releases.live_revision(mirror), mirror.judged_revision()) == (cut[0], None)
    assert (run().result, releases.history(mirror)[0].who) == ("published", "bob")


def test_an_approval_that_was_killed_after_its_publish_awaits_the_release_when_it_is_tried_again(
    run: Callable[..., sync.Outcome], reply: Callable[..., sync.Outcome | None], cut: tuple[str, str]
) -> None:
    run()
    assert reply("Approve")
    again = reply("Approve")
    assert again
    assert (again.reason, again.revision, again.release, again.awaited) == ("AlreadyLive", cut[1], 2, ("d",))


def test_an_answer_that_comes_while_a_sync_asks_is_kept(
    run: Callable[..., sync.Outcome],
    cut: tuple[str, str],
    mirror: Mirror,
    asked: list[tuple[str, Mapping[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    find = approval.of

    def answered_meanwhile(*arguments: Any) -> approval.Question:
        question = find(*arguments)
        assert approval.answer(mirror, question.run_id, "approved", "bob")
        return question

    monkeypatch.setattr(approval, "of", answered_meanwhile)
    run()
    question = approval.read(mirror)
    assert question
    assert (question.answer, question.who, len(asked)) == ("approved", "bob", 1)


def test_a_question_with_other_objections_ends_the_run_of_the_one_before(
    run: Callable[..., sync.Outcome],
    cut: tuple[str, str],
    asked: list[tuple[str, Mapping[str, Any]]],
    runs_told: list[str],
) -> None:
    run()
    run('[guards]\nprotected = ["a"]\n')
    (first, _), (second, _) = asked
    assert runs_told == [f"ask anew {first}", f"end {first}", f"ask anew {second}"]


def test_dags_that_fail_in_a_new_environment_do_not_disarm_the_guards(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = "import os\nif 'BREAKS' in os.environ:\n    raise RuntimeError\n"
    live = upstream.push({name: fails + str(text) for name, text in files("a", "b", "c", "d").items()})
    assert run().result == "published"
    monkeypatch.setenv("BREAKS", "1")
    monkeypatch.setattr(judgement, "environment_digest", lambda: "of the next image")
    assert run().reason == "LiveFails"
    verdict = mirror.read_verdict(live)
    assert verdict
    assert [dag.dag_id for dag in verdict.dags] == ["a", "b", "c", "d"]
    upstream.push({"a.py": None, "b.py": None, "c.py": None, **files("d")})
    assert run().reason == "ApprovalNeeded"


@pytest.mark.parametrize("hours", ["0", "-1", "soon", "nan", "1e9"])
def test_a_time_out_that_makes_no_sense_is_told(hours: str) -> None:
    with pytest.raises(ConfigError, match="AIRLOCK_APPROVAL_HOURS"):
        approval.time_out({"AIRLOCK_APPROVAL_HOURS": hours})
    assert approval.time_out({}) == timedelta(hours=24)


def test_the_dag_asks_before_it_publishes_and_rejects_when_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    from airlock.approval_dag import build

    monkeypatch.setenv("AIRLOCK_APPROVAL_HOURS", "2")
    dag = build(Source(name="dags", repo_url="https://host/x.git"))
    ask = dag.get_task("ask")
    assert isinstance(ask, ApprovalOperator)
    assert (ask.response_timeout, ask.defaults, ask.downstream_task_ids) == (
        timedelta(hours=2),
        ["Reject"],
        {"publish"},
    )
    assert dag.get_task("publish").downstream_task_ids == {"confirm", "close"}


def test_a_question_that_was_asked_is_not_asked_again_and_other_failures_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import comms, task_runner

    from airlock import stack

    class Supervisor:
        def __init__(self, error: ErrorType, *, raises: bool) -> None:
            self.answer, self.raises = comms.ErrorResponse(error=error), raises

        def send(self, message: comms.TriggerDagRun) -> object:
            assert (message.dag_id, message.run_id, message.conf) == ("d", "r", {"body": "b"})
            if self.raises:
                raise AirflowRuntimeError(self.answer)
            return self.answer

    for raises in (True, False):
        known = Supervisor(ErrorType.DAGRUN_ALREADY_EXISTS, raises=raises)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", known, raising=False)
        stack.start_run("d", "r", {"body": "b"})
        broken = Supervisor(ErrorType.API_SERVER_ERROR, raises=raises)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", broken, raising=False)
        with pytest.raises(OperatorError, match="did not start d"):
            stack.start_run("d", "r", {"body": "b"})


def test_a_commit_without_a_trusted_signature_is_not_even_imported(
    upstream: Upstream, state: State, mirror: Mirror, tmp_path: Path
) -> None:
    (tmp_path / "signers").write_text("")
    revision = upstream.push(files("a"))
    source = Source(name="dags", repo_url=upstream.url, ssh_signers=str(tmp_path / "signers"))
    outcome = sync.run(source, state, sync.Request(), Answers())
    assert (outcome.result, outcome.reason) == ("rejected", "UntrustedCommit")
    assert (mirror.read_verdict(revision), releases.live_revision(mirror)) == (None, None)
    assert mirror.judged_revision() == revision
    assert sync.run(source, state, sync.Request(force=True, ref=revision), Answers()).reason == "UntrustedCommit"
