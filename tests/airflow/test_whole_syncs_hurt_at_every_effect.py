"""Whole syncs, rollbacks, holds, approvals and confirmations, each killed and hindered at every one of its effects.

Both revisions were judged before: a sync uses the verdict that is kept, and judges again where it was lost. After each
the same is done again without harm: live was never lost, the next run converges, and nothing piles up. The judgement
itself is hurt in ``test_sync.py``.
"""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.deployments import clone
from tests.faults import Way, hurt_at_each_effect
from tests.upstream import Upstream

from airlock import approval, confirm, enquiry, git, hold, manifest, mirror as mirrors, release, rollback, scratch, sync
from airlock.approval import Question
from airlock.confirm import Confirmation, Patience
from airlock.enquiry import Answer, Stored
from airlock.mirror import Mirror
from airlock.source import Source
from airlock.state import State
from airlock.validate.answers import Answers

DAG_FILE = """
from airflow.sdk import DAG

with DAG("etl", schedule=None, tags=["{number}"]):
    pass
"""
WAYS: tuple[Way, ...] = ("kill", "no space", "broken disk")
# Where there are many effects a disk fails in both ways in turn: an effect and its error take the same path.
IN_TURN = {"kill": {}, "no space": {"first": 1, "every": 2}, "broken disk": {"first": 2, "every": 2}}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A source with two releases, of which the second is live."""

    mirror: Mirror
    state: State
    upstream: Upstream
    first: str
    second: str

    def sync(self) -> sync.Outcome:
        return sync.run(self.mirror.source, self.state, sync.Request(), Answers())

    def other(self) -> str:
        """The revision that is not live."""
        return self.second if release.live_revision(self.mirror) == self.first else self.first

    def push(self, revision: str) -> None:
        """Have upstream's branch be at a revision whose tree is not on disk."""
        self.upstream.git("push", "--quiet", "--force", "origin", f"{revision}:refs/heads/main")
        shutil.rmtree(self.state.trees("dags") / revision, ignore_errors=True)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """What every test starts with: judging costs seconds, copying does not."""
    folder = tmp_path_factory.mktemp("seed")
    url = str(folder / "upstream.git")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", url], check=True, timeout=60)
    upstream, state = clone(folder, url), State(root=folder / "state")
    source = Source(name="dags", repo_url=url)
    revisions = []
    for number in range(2):
        files = {"etl.py": DAG_FILE.format(number=number), "same.py": "same", f"new_{number}.py": "new"}
        revisions.append(upstream.push(files))
        assert sync.run(source, state, sync.Request(), Answers()).result == "published"
    first, second = revisions
    mirror = mirrors.of(state, source)
    for revision in revisions:
        judged = mirror.read_verdict(revision)
        assert judged
        with mirror.locked():  # no sync waits until Airflow is imported to find that the verdict holds
            mirror.write_verdict(replace(judged, circumstances=""))
    return Place(mirror=mirror, state=state, upstream=upstream, first=first, second=second)


@pytest.fixture
def place(seed: Place, tmp_path: Path) -> Place:
    state = State(root=tmp_path / "state")
    shutil.copytree(seed.state.root, state.root, symlinks=True)
    seed.upstream.git("push", "--quiet", "--force", "origin", f"{seed.second}:refs/heads/main")
    return replace(seed, state=state, mirror=mirrors.of(state, seed.mirror.source))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", WAYS)
def test_a_sync(way: Way, place: Place) -> None:
    releases = 2
    place.push(place.first)
    for effects in hurt_at_each_effect(way, place.sync, **IN_TURN[way]):  # noqa: B007 - counted
        live, head = release.live_revision(place.mirror), place.upstream.git("ls-remote", "origin", "main").split()[0]
        assert live in (place.first, place.second)
        assert place.sync().result in ("published", "unchanged")
        releases += 1
        assert_live(place, head, releases)
        assert place.mirror.judged_revision() == head
        assert_nothing_is_left(place)
        place.push(place.other())
    assert effects > 40


@pytest.mark.parametrize("way", WAYS)
def test_a_rollback(way: Way, place: Place) -> None:
    releases = 2

    def roll_back() -> object:
        return rollback.roll_back(place.mirror, place.state, who="dora", why="late numbers", number=number())

    def number() -> int:
        return next(one.number for one in release.history(place.mirror) if one.revision == place.other())

    for effects in hurt_at_each_effect(way, roll_back, **IN_TURN[way]):  # noqa: B007 - counted
        is_done = len(release.history(place.mirror)) > releases
        assert (hold.read(place.mirror) is not None) == is_done
        if not is_done:
            roll_back()
        releases += 1
        assert_live(place, str(release.live_revision(place.mirror)), releases)
        assert_nothing_is_left(place)
        with place.mirror.locked():
            assert hold.remove(place.mirror)
        shutil.rmtree(place.state.trees("dags") / place.other())
    assert effects > 15


@pytest.mark.parametrize("way", WAYS)
def test_a_hold_and_its_end(way: Way, place: Place) -> None:
    def put() -> None:
        with place.mirror.locked():
            hold.put(place.mirror, hold.new("dora", "freeze"))

    def remove() -> None:
        with place.mirror.locked():
            hold.remove(place.mirror)

    for effects in hurt_at_each_effect(way, put):  # noqa: B007 - counted
        held = hold.read(place.mirror)
        assert held is None or (held.who, held.why) == ("dora", "freeze")
        put()
        assert hold.read(place.mirror)
        remove()
    assert effects > 2
    put()
    place.sync()
    for effects in hurt_at_each_effect(way, remove):  # noqa: B007 - counted
        # The newest revision counts as not judged once the hold is gone, so that the watcher asks for its sync.
        assert (hold.read(place.mirror) is None) == (place.mirror.judged_revision() is None)
        remove()
        assert hold.read(place.mirror) is None
        assert place.sync().reason == "AlreadyLive"
        put()
    assert effects > 2


@pytest.mark.parametrize("way", WAYS)
def test_an_approval(way: Way, place: Place) -> None:
    asked = Question(
        revision=place.first, live=place.second, head=place.second, objections=("many",), asked_at="now", why="push"
    )

    def ask() -> None:
        with place.mirror.locked():
            approval.write(place.mirror, asked)

    def answer() -> object:
        return approval.answer(place.mirror, asked.run_id, "approved", "bob")

    for effects in hurt_at_each_effect(way, ask):  # noqa: B007 - counted
        assert approval.read(place.mirror) in (None, asked)
        ask()
        with place.mirror.locked():
            approval.write(place.mirror, None)
    assert effects > 1
    ask()
    for effects in hurt_at_each_effect(way, answer):  # noqa: B007 - counted
        assert approval.read(place.mirror) in (asked, replace(asked, answer="approved", who="bob"))
        assert answer() == replace(asked, answer="approved", who="bob")
        assert release.live_revision(place.mirror) == place.second
        ask()
    assert effects > 1


@pytest.mark.parametrize("way", WAYS)
def test_the_publication_of_what_was_approved(way: Way, place: Place) -> None:
    releases = 2

    def publish() -> object:
        question = Question(
            revision=place.other(),
            live=release.live_revision(place.mirror),
            head=place.other(),
            objections=(),
            asked_at="now",
            why="push",
            answer="approved",
            who="bob",
        )
        return sync.publish_approved(place.mirror.source, place.state, question, sync.Terms())

    for effects in hurt_at_each_effect(way, publish, **IN_TURN[way]):  # noqa: B007 - counted
        if len(release.history(place.mirror)) == releases:
            publish()
        releases += 1
        assert_live(place, str(release.live_revision(place.mirror)), releases)
        assert_nothing_is_left(place)
        shutil.rmtree(place.state.trees("dags") / place.other())
    assert effects > 15


@pytest.mark.parametrize("way", WAYS)
def test_a_confirmation(way: Way, place: Place) -> None:
    folder = place.state.enquiry("dags")

    def confirm_it() -> Confirmation:
        done = confirm.confirm(folder, place.mirror, 2, ["etl"], patience=Patience(silent_s=10))
        assert isinstance(done, Confirmation)
        return done

    judged = place.mirror.read_verdict(place.second)
    assert judged
    digest = judged.dags[0].digest

    def answer_for_ever() -> None:
        stored = Stored(version=place.second, parsed_at="2099-01-01T00:00:00+00:00", digest=digest)
        while True:
            if enquiry.asked(folder):
                enquiry.answer(folder, Answer(revision=place.second, at="now", dags={"etl": stored}, errors={}))
            time.sleep(0.02)

    dag_processor = multiprocessing.get_context("fork").Process(target=answer_for_ever, daemon=True)
    dag_processor.start()
    for effects in hurt_at_each_effect(way, confirm_it):  # noqa: B007 - counted
        confirm_it()
        assert confirm.is_confirmed(place.mirror, 2)
        assert_nothing_is_left(place)
        with place.mirror.locked():
            place.mirror.write_record(confirm.RECORD, None)
    assert effects > 2
    dag_processor.kill()


def assert_live(place: Place, revision: str, releases: int) -> None:
    history = release.history(place.mirror)
    assert history[0].revision == release.live_revision(place.mirror) == revision
    assert [one.number for one in history] == list(range(releases, 0, -1))
    assert manifest.damage(place.state.trees("dags") / revision) == frozenset()


def assert_nothing_is_left(place: Place) -> None:
    state = place.state
    with place.mirror.locked():  # whoever comes next removes the locks of a killed git
        git.run(place.mirror.path, "fsck", "--connectivity-only", "--no-dangling")
    assert {path.name for path in state.sources.iterdir()} <= {"dags.git", "dags.lock", "dags.fetch", ".staging"}
    assert {path.name for path in state.trees("dags").iterdir()} <= {place.first, place.second}
    folders = (state.sources / ".staging", state.trees("dags").with_name("staging"), state.cache / "validate")
    deadline = time.monotonic() + 10  # a warm process whose owner was killed may still be on its way out

    for folder in folders:
        with scratch.directory(folder):
            pass  # whoever uses a folder next removes what a killed process left there

    def left() -> list[Path]:
        inside = [path for folder in folders for path in folder.glob("*")]
        return [*inside, *state.enquiry("dags").glob(".*"), *place.mirror.path.rglob("tmp_*")]

    while left() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left() == []
