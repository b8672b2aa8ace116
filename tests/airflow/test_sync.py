"""Syncs of real repositories through the real gate, killed and hindered at every step."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import (
    confirm,
    enquiry,
    git,
    hold,
    judgement,
    mirror as mirrors,
    project,
    release as releases,
    resume,
    rollback,
    status,
    sync,
)
from airlock.enquiry import Answer, Stored
from airlock.errors import ConfigError, StateError, TransientError, UpstreamError
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers
from airlock.validate.limits import Limits
from airlock.validate.policy import from_environment, parse

GOOD = """
from airflow.sdk import dag, task
from words import WORD


@dag(schedule="@daily")
def {name}():
    @task
    def work():
        print(WORD)

    work()


{name}()
"""
STEPS = (
    "airlock.mirror.Mirror.fetch",
    "airlock.tree.check_out",
    "airlock.mirror.Mirror.write_verdict",
    "airlock.tree.materialise",
    "airlock.release.publish",
    "airlock.mirror.Mirror.mark_judged",
    "airlock.mirror.Mirror.write_record",
)
# Runs a sync in a process of its own, in which one step ends badly right after it was done.
RUNNER = """
import faulthandler, importlib, os, signal, sys
faulthandler.dump_traceback_later(90, exit=True)
from pathlib import Path
from airlock import source, state, sync
from airlock.validate.answers import Answers

url, place, step, way = sys.argv[1:]
if step:
    module_name, _, name = step.rpartition(".")
    try:
        owner = importlib.import_module(module_name)
    except ModuleNotFoundError:
        module_name, _, owner_name = module_name.rpartition(".")
        owner = getattr(importlib.import_module(module_name), owner_name)
    original = getattr(owner, name)

    def ends_badly(*args, **kwargs):
        result = original(*args, **kwargs)
        if way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(28, "No space left on device")

    setattr(owner, name, ends_badly)
outcome = sync.run(source.Source(name="dags", repo_url=url), state.State(root=Path(place)), sync.Request(), Answers())
print(outcome.result)
"""


@pytest.fixture(autouse=True)
def deployment(state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have bundles find the state as in a deployment."""
    monkeypatch.setenv("AIRLOCK_STATE", str(state.root))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))


@pytest.fixture
def run(state: State, source: Source) -> Callable[..., sync.Outcome]:
    def run_now(**request: object) -> sync.Outcome:
        return sync.run(source, state, sync.Request(**request), Answers())  # type: ignore[arg-type]

    return run_now


def good(name: str) -> dict[str, str | bytes | None]:
    return {f"{name}.py": GOOD.format(name=name), "words.py": "WORD = 1\n"}


def test_names_of_odd_bytes_are_published_where_airflow_can_stand_them(
    upstream: Upstream, mirror: Mirror, run: Callable[..., sync.Outcome]
) -> None:
    odd = os.fsdecode(b"gr\xf6\xdfer")
    reader = f"import os\nopen(os.path.join(os.path.dirname(__file__), {odd!a})).read()\n"
    first = upstream.push({odd: "1", "one.py": reader + GOOD.format(name="one"), "words.py": "WORD = 1\n"})
    assert run().result == "published"
    verdict = mirror.read_verdict(first)
    assert verdict is not None
    assert odd in verdict.inputs["one.py"]
    upstream.push({f"{odd}.py": GOOD.format(name="two")})
    second = run()
    assert second.result == "rejected"
    assert second.findings[0].startswith(r"gr\udcf6\udcdfer.py: the name is not UTF-8")


def test_without_its_release_repository_a_revision_is_judged_and_not_published(
    upstream: Upstream, mirror: Mirror, state: State, make_upstream: Callable[[str], Upstream]
) -> None:
    releases = Path(make_upstream("releases").url)
    source = Source(name="dags", repo_url=upstream.url, release_url=str(releases))
    away = releases.rename(releases.with_suffix(".away"))
    revision = upstream.push(good("etl"))
    with pytest.raises(TransientError, match="release repository: push failed"):
        sync.run(source, state, sync.Request(), Answers())
    verdict = mirror.read_verdict(revision)
    assert verdict is not None
    assert verdict.result == "passed"
    assert mirror.judged_revision() is None  # so that the watcher asks again
    assert mirror.read_record("sync")["result"] == "error"
    rejected = upstream.push({"etl.py": f"import nothing_like_it\n{GOOD.format(name='etl')}"})
    assert sync.run(source, state, sync.Request(), Answers()).result == "rejected"
    away.rename(releases)
    assert sync.run(source, state, sync.Request(ref=revision), Answers()).result == "published"
    assert git.commit_of(releases, "live") == revision != rejected


def test_a_release_that_was_pushed_by_a_sync_that_was_killed_is_taken_over(
    upstream: Upstream, mirror: Mirror, state: State, make_upstream: Callable[[str], Upstream]
) -> None:
    source = Source(name="dags", repo_url=upstream.url, release_url=make_upstream("releases").url)
    first = upstream.push(good("etl"))
    assert sync.run(source, state, sync.Request(), Answers()).release == 1
    killed_before = state.root / "killed-before"
    shutil.copytree(mirror.path, killed_before)
    second = upstream.push(good("load"))
    assert sync.run(source, state, sync.Request(), Answers()).release == 2
    shutil.rmtree(mirror.path)
    killed_before.rename(mirror.path)
    assert releases.live_revision(mirror) == first
    outcome = sync.run(source, state, sync.Request(), Answers())
    assert (outcome.result, outcome.release, outcome.revision) == ("unchanged", 2, second)
    assert mirror.judged_revision() == second


def test_a_good_revision_is_published_and_a_second_sync_changes_nothing(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    revision = upstream.push(good("etl"))
    first = run(who="dora", why="first")
    assert (first.result, first.release, first.awaited, first.changes) == (
        "published",
        1,
        ("etl",),
        ("+ etl: 1 task, schedule 0 0 * * *",),
    )
    second = run()
    assert (second.result, second.reason, second.release) == ("unchanged", "AlreadyLive", 1)
    now = status.read_source(state, source)
    assert now.live
    assert (now.live.revision, now.upstream_revision, mirror.judged_revision()) == (revision,) * 3
    assert [one.who for one in releases.history(mirror)] == ["dora"]


def test_a_rejected_revision_is_told_and_live_stays(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    live = upstream.push(good("etl"))
    run()
    broken = upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n"})
    outcome = run()
    assert (outcome.result, outcome.reason) == ("rejected", "ValidationFailed")
    assert outcome.findings == ("bad.py:2: ZeroDivisionError: division by zero [import-error]",)
    assert (releases.live_revision(mirror), mirror.judged_revision()) == (live, broken)
    told = status.read_source(state, source).to_json()
    assert told["last_verdict"]["findings"][0]["file"] == "bad.py"
    assert told["last_verdict"]["findings"][0]["hint"]


def test_a_revision_that_hangs_crashes_and_exhausts_memory_gets_its_verdict(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    live = upstream.push(good("etl"))
    run()
    enemies = {
        "ends.py": "import os\nos._exit(0)\n",
        "hangs.py": "while True: pass\n",
        "is_killed.py": "import os\nos.kill(os.getpid(), 9)\n",
        "takes_all.py": "many = []\nwhile True: many.append(bytearray(50_000_000))\n",
    }
    revision = upstream.push({name: f"from airflow.sdk import dag\n{text}" for name, text in enemies.items()})
    terms = sync.Terms(limits=Limits(file_s=3, memory_mb=700))
    outcome = sync.run(source, state, sync.Request(), Answers(), terms)
    assert (outcome.result, releases.live_revision(mirror)) == ("rejected", live)
    verdict = mirror.read_verdict(revision)
    assert verdict
    assert (verdict.result, verdict.total, {dag.dag_id for dag in verdict.dags}) == ("rejected", 5, {"etl"})
    rules = {finding.file: finding.rule for finding in verdict.findings}
    assert rules.keys() == enemies.keys()
    assert (rules["ends.py"], rules["hangs.py"], rules["is_killed.py"]) == ("crash", "time-out", "crash")
    assert all(finding.message and finding.hint for finding in verdict.findings)


def test_a_revision_is_judged_once_unless_it_is_forced(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    revision = upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n"})
    run()
    before = mirror.read_verdict(revision)
    assert run().result == "rejected"
    assert mirror.read_verdict(revision) == before
    run(force=True)
    assert mirror.read_verdict(revision) != before


def test_another_folder_or_policy_is_judged_again(
    run: Callable[..., sync.Outcome], upstream: Upstream, state: State, mirror: Mirror
) -> None:
    upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n", **{f"dags/{k}": v for k, v in good("etl").items()}})
    assert run().result == "rejected"
    below = Source(name="dags", repo_url=upstream.url, subdir="dags")
    policy = parse('[rules.tags]\nrequired = ["team:*"]\n')[0]
    strict = sync.run(below, state, sync.Request(), Answers(), sync.Terms(policy=lambda: policy))
    assert [finding.rpartition(" ")[2] for finding in strict.findings] == ["[tags]"]
    assert sync.run(below, state, sync.Request(), Answers()).result == "published"


def test_live_gets_a_new_verdict_in_a_new_environment_and_stays_when_it_fails(
    run: Callable[..., sync.Outcome],
    upstream: Upstream,
    mirror: Mirror,
    state: State,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = upstream.push(good("one"))
    assert run().result == "published"
    monkeypatch.setattr(judgement, "environment_digest", lambda: "another")
    renewed = run()
    assert (renewed.result, renewed.reason) == ("unchanged", "AlreadyLive")
    verdict = mirror.read_verdict(live)
    assert verdict
    assert (verdict.environment, verdict.imported + verdict.cached) == ("another", 1)
    monkeypatch.setattr(judgement, "environment_digest", lambda: "a third")
    policy = parse('[rules.tags]\nrequired = ["team:*"]\n')[0]
    strict = sync.Terms(policy=lambda: policy)
    fails = sync.run(source, state, sync.Request(), Answers(), strict)
    assert (fails.result, fails.reason) == ("rejected", "LiveFails")
    assert releases.live_revision(mirror) == live
    told = status.read_source(state, source).live
    assert told
    assert "1 error" in told.fails
    upstream.push({"words.py": "WORD = 1 / 0"})
    both = sync.run(source, state, sync.Request(), Answers(), strict)
    assert (both.result, both.reason) == ("rejected", "ValidationFailed")
    assert f"{live[:12]}, which is live and stays so, no longer passes" in both.message


def test_live_that_lacks_the_folder_that_is_followed_now_does_not_hide_why_a_push_is_rejected(
    run: Callable[..., sync.Outcome], upstream: Upstream, state: State, mirror: Mirror
) -> None:
    live = upstream.push(good("one"))
    assert run().result == "published"
    upstream.push({"dags/bad.py": "from airflow.sdk import dag\n1/0\n"})
    outcome = sync.run(Source(name="dags", repo_url=upstream.url, subdir="dags"), state, sync.Request(), Answers())
    assert (outcome.result, outcome.reason) == ("rejected", "ValidationFailed")
    assert releases.live_revision(mirror) == live


def test_a_wrong_policy_of_the_deployment_is_an_error_that_is_recorded(
    upstream: Upstream, state: State, source: Source, tmp_path: Path
) -> None:
    upstream.push(good("etl"))
    terms = sync.Terms(policy=lambda: from_environment({"AIRLOCK_POLICY": str(tmp_path / "nowhere.toml")}))
    with pytest.raises(ConfigError, match="AIRLOCK_POLICY"):
        sync.run(source, state, sync.Request(), Answers(), terms)
    last = mirrors.of(state, source).read_record(sync.RECORD)
    assert last
    assert (last["result"], last["reason"]) == ("error", "BadConfiguration")


def test_a_dry_run_publishes_nothing_and_is_not_the_end_of_the_matter(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    upstream.push(good("etl"))
    assert run(dry_run=True).result == "passed"
    assert releases.live_revision(mirror) is None
    assert mirror.judged_revision() is None
    assert run().result == "published"


def test_another_ref_can_be_published_and_the_branch_takes_over_with_its_next_push(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    first = upstream.push(good("etl"))
    run()
    second = upstream.push(good("more"))
    run()
    assert run(ref=first[:10]).result == "published"
    assert releases.live_revision(mirror) == first
    assert mirror.judged_revision() == second
    third = upstream.push(good("third"))
    run()
    assert releases.live_revision(mirror) == third


def test_a_release_that_nobody_confirmed_is_awaited_by_the_next_sync(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State
) -> None:
    upstream.push({**good("etl"), **good("second")})
    run()
    upstream.push({"etl.py": GOOD.format(name="etl") + "\n"})
    revision = run().revision
    assert revision
    assert run().awaited == ("etl",)
    verdict = mirror.read_verdict(revision)
    assert verdict
    stored = {
        dag.dag_id: Stored(version=revision, parsed_at="2099-01-01T00:00:00+00:00", digest=dag.digest)
        for dag in verdict.dags
    }
    enquiry.answer(state.enquiry("dags"), Answer(revision=revision, at="now", dags=stored, errors={}))
    confirm.confirm(state.enquiry("dags"), mirror, 2, ["etl"])
    assert run().awaited == ()


def test_only_dags_whose_inputs_changed_are_awaited(run: Callable[..., sync.Outcome], upstream: Upstream) -> None:
    other = GOOD.format(name="other").replace("from words import WORD", "WORD = 2")
    upstream.push({**good("etl"), **good("second"), "other.py": other})
    run()
    upstream.push({"words.py": "WORD = 3\n"})
    assert run().awaited == ("etl", "second")
    upstream.push({"other.py": other + "\n"})
    assert run().awaited == ("other",)


def test_a_release_that_changes_no_dag_still_awaits_one(run: Callable[..., sync.Outcome], upstream: Upstream) -> None:
    upstream.push({**good("a"), **good("b")})
    run()
    upstream.push({"README.md": "words"})
    assert len(run().awaited) == 1


def test_a_dag_of_another_source_is_not_taken_over(
    make_upstream: Callable[[str], Upstream], state: State, run: Callable[..., sync.Outcome], upstream: Upstream
) -> None:
    other = make_upstream("other")
    other.push(good("etl"))
    sync.run(Source(name="other", repo_url=other.url), state, sync.Request(), Answers())
    upstream.push(good("etl"))
    outcome = run()
    assert outcome.findings == ("etl.py:7: etl is already a DAG of source other [duplicate-dag-id]",)


def test_a_dag_that_another_source_has_taken_meanwhile_is_not_published_with_an_old_verdict(
    make_upstream: Callable[[str], Upstream], state: State, run: Callable[..., sync.Outcome], upstream: Upstream
) -> None:
    upstream.push(good("etl"))
    assert run(dry_run=True).result == "passed"
    other = make_upstream("other")
    other.push(good("etl"))
    sync.run(Source(name="other", repo_url=other.url), state, sync.Request(), Answers())
    for _ in range(2):
        assert run().findings == ("etl.py:7: etl is already a DAG of source other [duplicate-dag-id]",)


def test_a_sync_that_lost_against_another_release_is_asked_for_again(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    revision = upstream.push(good("etl"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(releases, "publish", lambda *_, **__: None)
        assert run().reason == "LostRace"
    assert mirror.judged_revision() is None
    assert (run().result, mirror.judged_revision()) == ("published", revision)


def test_an_upstream_that_is_gone_is_an_error_that_is_recorded(
    run: Callable[..., sync.Outcome], upstream: Upstream, state: State, source: Source, mirror: Mirror
) -> None:
    live = upstream.push(good("etl"))
    run()
    Path(upstream.url).rename(f"{upstream.url}.away")
    with pytest.raises(UpstreamError):
        run()
    last = status.read_source(state, source).last_sync
    assert last
    assert (last.result, last.reason) == ("error", "RepositoryMissing")
    assert releases.live_revision(mirror) == live
    Path(f"{upstream.url}.away").rename(upstream.url)
    assert run().result == "unchanged"


def test_a_missing_dag_folder_is_named(upstream: Upstream, state: State) -> None:
    upstream.push(good("etl"))
    with pytest.raises(StateError, match="has no directory 'dags'") as caught:
        sync.run(Source(name="dags", repo_url=upstream.url, subdir="dags"), state, sync.Request(), Answers())
    assert caught.value.reason == "SubdirMissing"


@pytest.mark.parametrize("way", ["kill", "full disk"])
@pytest.mark.parametrize("step", STEPS)
def test_after_a_sync_that_ended_badly_at_any_step_the_next_one_converges(
    step: str, way: str, upstream: Upstream, state: State, mirror: Mirror, run: Callable[..., sync.Outcome]
) -> None:
    live = upstream.push(good("etl"))
    run()
    following = upstream.push(good("more"))
    hurt = in_a_process(upstream, state, step, way)
    assert hurt.returncode == (-signal.SIGKILL if way == "kill" else 1), hurt.stderr
    assert releases.live_revision(mirror) in (live, following)
    assert releases.history(mirror)[0].revision == releases.live_revision(mirror)
    assert run().result in ("published", "unchanged")
    assert (releases.live_revision(mirror), mirror.judged_revision()) == (following, following)
    assert [one.number for one in releases.history(mirror)] == [2, 1]
    assert (state.trees("dags") / following / "more.py").exists()


def test_what_killed_syncs_left_does_not_pile_up(
    upstream: Upstream, state: State, run: Callable[..., sync.Outcome]
) -> None:
    upstream.push(good("etl"))
    for _ in range(3):
        in_a_process(upstream, state, "airlock.tree.check_out", "kill")
    time.sleep(5)  # the warm process of the last one may still be on its way out
    run()
    assert list((state.cache / "validate").iterdir()) == []


def in_a_process(upstream: Upstream, state: State, step: str, way: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", RUNNER, upstream.url, str(state.root), step, way],
        env={**os.environ, "PYTHONPATH": str(project.ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_repository_whose_dags_need_a_submodule_is_rejected_with_the_setting_until_it_is_on(
    make_upstream: Callable[[str], Upstream], upstream: Upstream, state: State, source: Source, mirror: Mirror
) -> None:
    library = make_upstream("library")
    upstream.embed("shared", library.url, library.push({"__init__.py": "", "words.py": "WORD = 1\n"}))
    dag = GOOD.format(name="etl").replace("from words", "from shared.words")
    upstream.push({"etl.py": dag})

    def run(**settings: object) -> sync.Outcome:
        return sync.run(replace(source, **settings), state, sync.Request(), Answers())  # type: ignore[arg-type]

    assert run().reason == "ValidationFailed"
    rejected = mirror.read_verdict(str(mirror.upstream_revision()))
    assert rejected
    assert "leaves out submodules (shared): set submodules to true" in rejected.errors[0].hint
    assert run(submodules=True).result == "published"
    live = releases.live_revision(mirror)
    assert live
    assert (state.trees("dags") / live / "shared" / "words.py").read_text() == "WORD = 1\n"
    upstream.embed("shared", library.url, library.push({"words.py": "WORD = 2\n"}))
    upstream.push({})
    pushed = run(submodules=True)
    assert (pushed.result, pushed.awaited) == ("published", ("etl",))
    upstream.embed("shared", library.url, library.push({"words.py": "1 / 0\n"}))
    upstream.push({})
    broken = run(submodules=True)
    assert broken.reason == "ValidationFailed"
    assert "division by zero (in shared/words.py" in broken.findings[0]
    assert releases.live_revision(mirror) == pushed.revision
    upstream.embed("shared", library.url, "1" * 40)
    upstream.push({})
    with pytest.raises(UpstreamError, match="source dags: submodule shared"):
        run(submodules=True)
    assert releases.live_revision(mirror) == pushed.revision
    back = rollback.roll_back(mirror, state, who="dora", why="")
    assert (back.revision, releases.live_revision(mirror)) == (live, live)
    assert (state.trees("dags") / live / "shared" / "words.py").read_text() == "WORD = 1\n"


def test_another_repository_on_the_same_state_is_judged_published_and_rolled_back_from(
    run: Callable[..., sync.Outcome],
    make_upstream: Callable[[str], Upstream],
    upstream: Upstream,
    state: State,
    source: Source,
    mirror: Mirror,
) -> None:
    old = upstream.push({**good("one"), **good("two"), **good("three"), **good("four")})
    assert run().result == "published"
    other = make_upstream("other")
    other.push({"one.py": "from airflow.sdk import dag\n1 / 0\n"})
    elsewhere = replace(source, repo_url=other.url)

    def run_other() -> sync.Outcome:
        return sync.run(elsewhere, state, sync.Request(), Answers())

    assert (run_other().reason, releases.live_revision(mirror)) == ("ValidationFailed", old)
    other.push(good("one"))
    waits = run_other()
    assert (waits.reason, releases.live_revision(mirror)) == ("ApprovalNeeded", old)
    assert "3 of 4 live DAGs would be removed" in waits.message
    new = other.push({**good("one"), **good("two"), **good("three"), **good("five")})
    assert (run_other().result, releases.live_revision(mirror)) == ("published", new)
    in_flight = bundle_of(elsewhere, state, version=old)
    assert (in_flight / "four.py").exists()
    shutil.rmtree(state.trees("dags") / old)  # as a worker has it that never had the tree
    assert (bundle_of(elsewhere, state, version=old) / "four.py").exists()
    assert rollback.roll_back(mirrors.of(state, elsewhere), state, who="dora", why="").revision == old
    assert (bundle_of(elsewhere, state) / "four.py").exists()


def test_another_folder_of_the_same_commit_is_a_release_of_its_own(
    run: Callable[..., sync.Outcome], upstream: Upstream, state: State, source: Source, mirror: Mirror
) -> None:
    commit = upstream.push({**good("etl"), **{f"dags/{name}": text for name, text in good("other").items()}})
    whole = replace(source, subdir="")
    below = replace(source, subdir="dags")

    def run_below() -> sync.Outcome:
        return sync.run(below, state, sync.Request(), Answers())

    upstream.push({".airflowignore": "dags/\n"})
    first = run()
    assert (first.result, first.awaited) == ("published", ("etl",))
    assert bundle_of(below, state) == state.trees("dags") / str(first.revision)  # nothing was judged below yet
    second = run_below()
    assert (second.result, second.awaited) == ("published", ("other",)), second
    assert second.changes == ("+ other: 1 task, schedule 0 0 * * *", "- etl")
    live = releases.live_revision(mirror)
    assert (live, live == first.revision) == (second.revision, False)
    assert bundle_of(below, state) == state.trees("dags") / str(live) / "dags"
    assert bundle_of(below, state, version=first.revision) == state.trees("dags") / str(first.revision)
    assert run_below().reason == "AlreadyLive"
    assert mirror.judged_revision() == mirror.upstream_revision()
    assert mirror.judged_under()["subdir"] == "dags"
    back = rollback.roll_back(mirrors.of(state, below), state, who="dora", why="")
    assert (back.revision, back.awaited) == (first.revision, ("etl",))
    assert (bundle_of(below, state) / "etl.py").exists()
    assert sync.run(whole, state, sync.Request(ref=commit), Answers()).reason == "OnHold"


def test_another_branch_is_judged_and_runs_keep_their_code(
    run: Callable[..., sync.Outcome], upstream: Upstream, state: State, source: Source, mirror: Mirror
) -> None:
    old = upstream.push({**good("one"), **good("two")})
    run()
    new = upstream.push({"two.py": None, **good("three")}, branch="next")
    following = replace(source, branch="next")
    assert sync.run(following, state, sync.Request(), Answers()).result == "published"
    assert releases.live_revision(mirror) == new
    assert (bundle_of(following, state, version=old) / "two.py").exists()


def bundle_of(source: Source, state: State, version: str | None = None) -> Path:
    """Return the DAG folder that Airflow is given, as the bundle of a deployment with this source gives it."""
    from airlock.bundle import AirlockDagBundle

    kwargs = {"repo_url": source.repo_url, "branch": source.branch, "subdir": source.subdir}
    bundle = AirlockDagBundle(name=source.name, version=version, **kwargs)
    bundle.initialize()
    return bundle.path


def test_a_push_while_the_source_is_on_hold_is_judged_and_not_published(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror
) -> None:
    live = upstream.push(good("etl"))
    run()
    with mirror.locked():
        hold.put(mirror, hold.new("dora", "quarter close"))
    pushed = upstream.push(good("more"))
    outcome = run()
    assert (outcome.result, outcome.reason, outcome.changes) == (
        "waiting",
        "OnHold",
        ("+ more: 1 task, schedule 0 0 * * *",),
    )
    assert "by dora: quarter close" in outcome.message
    judged = mirror.read_verdict(pushed)
    assert judged
    assert (judged.result, releases.live_revision(mirror), mirror.judged_revision()) == ("passed", live, pushed)


def test_resume_publishes_the_newest_revision(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    first = upstream.push(good("etl"))
    run()
    second = upstream.push(good("more"))
    run()
    rollback.roll_back(mirror, state, who="dora", why="")
    assert run().reason == "OnHold"
    assert releases.live_revision(mirror) == first
    outcome = resume.resume(source, state, Answers(), sync.Terms(), who="bob", why="mended")
    assert (outcome.result, outcome.revision, hold.read(mirror)) == ("published", second, None)
    newest = releases.history(mirror)[0]
    assert (newest.number, newest.who, newest.why) == (4, "bob", "mended")
    assert resume.resume(source, state, Answers(), sync.Terms(), who="bob", why="").reason == "NotOnHold"


def test_resume_past_a_rejected_revision_takes_the_newest_that_passed_and_never_an_old_release(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    first = upstream.push(good("etl"))
    run()
    upstream.push({"etl.py": GOOD.format(name="etl") + "# slow\n"})
    run()
    rollback.roll_back(mirror, state, who="dora", why="")
    upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n"})
    outcome = resume.resume(source, state, Answers(), sync.Terms(), who="bob", why="")
    assert (outcome.result, releases.live_revision(mirror)) == ("rejected", first)
    with mirror.locked():
        hold.put(mirror, hold.new("dora", ""))
    mended = upstream.push({"bad.py": None, "etl.py": GOOD.format(name="etl") + "# mended\n"})
    assert run().reason == "OnHold"
    upstream.push({"bad.py": "from airflow.sdk import dag\n1/0\n"})
    outcome = resume.resume(source, state, Answers(), sync.Terms(), who="bob", why="")
    assert (outcome.result, releases.live_revision(mirror)) == ("published", mended)
    assert "the newest revision was rejected: 1 error" in outcome.message


def test_a_rejection_for_unfinished_runs_alone_is_tried_again_by_itself(
    run: Callable[..., sync.Outcome], upstream: Upstream, mirror: Mirror, state: State, source: Source
) -> None:
    runs = {"etl": 1}
    terms = judgement.Terms(unfinished=lambda dag_id: runs.get(dag_id, 0))

    def sync_now() -> sync.Outcome:
        return sync.run(source, state, sync.Request(), Answers(), terms)

    upstream.push(good("etl"))
    assert sync_now().opens == ""
    upstream.push({"etl.py": None, "team/etl.py": GOOD.format(name="etl")})
    rejected = sync_now()
    assert rejected.result == "rejected"
    in_s = (datetime.fromisoformat(rejected.opens) - datetime.now(UTC)).total_seconds()
    assert 0 < in_s <= 600
    assert mirror.judged_under()["opens"] == rejected.opens

    upstream.push({"other.py": "from airflow.sdk import dag\ndef"})
    assert sync_now().opens == ""

    upstream.push({"other.py": None})
    runs.clear()
    assert sync_now().result == "published"
    assert mirror.judged_under()["opens"] == ""
