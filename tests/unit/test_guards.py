"""What each guard objects to, and what it lets pass."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.verdicts import dag, verdict

from airlock import guards
from airlock.guards import Objection, Settings
from airlock.guards.span import Span
from airlock.validate.policy import Policy, parse
from airlock.verdict import Verdict

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)  # a Wednesday
LIVE = verdict("1", dags=tuple(dag(name) for name in "abcdefghij"))


def objections(
    after: Verdict,
    settings: Settings | None = None,
    *,
    live: Verdict | None = LIVE,
    touched: frozenset[str] = frozenset(),
    now: datetime = NOON,
) -> list[Objection]:
    return list(guards.check(after, live, settings or Settings(), touched=touched, source="dags", now=now))


def with_dags(names: str) -> Verdict:
    return verdict("2", dags=tuple(dag(name) for name in names))


def policy(text: str) -> Policy:
    read, faults = parse(text)
    assert faults == ()
    return read


@pytest.mark.parametrize("left", ["abcdefghij", "abcdefghijk", "abcdefg"])
def test_up_to_thirty_percent_may_go(left: str) -> None:
    assert objections(with_dags(left)) == []


def test_more_than_thirty_percent_is_asked_about() -> None:
    (objection,) = objections(with_dags("abcdef"))
    assert (objection.guard, objection.until) == ("removal", "")
    assert objection.message == "4 of 10 live DAGs would be removed: g, h, i, j"


def test_a_small_repository_may_lose_two_dags() -> None:
    assert objections(with_dags("a"), live=with_dags("abc")) == []


def test_share_and_number_are_settings() -> None:
    assert len(objections(with_dags("abcdefghi"), Settings(share=0.05, at_least=1))) == 1
    assert objections(with_dags("a"), Settings(share=1)) == []


def test_the_sample_goes_unasked_and_only_where_nothing_else_is_live() -> None:
    sample = tuple(dag(name, tags=("sample",)) for name in "abc")
    assert objections(with_dags("x"), live=verdict("1", dags=sample)) == []
    assert len(objections(with_dags("x"), live=verdict("1", dags=(*sample, dag("d"))))) == 1


def test_a_revision_without_dags_is_asked_about_once_however_few_are_live() -> None:
    assert [one.guard for one in objections(with_dags(""))] == ["empty"]
    assert [one.guard for one in objections(with_dags(""), live=with_dags("a"))] == ["empty"]
    assert objections(with_dags(""), live=with_dags("")) == []


def test_the_first_revision_is_compared_with_nothing() -> None:
    assert objections(with_dags("a"), live=None) == []


def test_a_dag_with_the_tag_protected_does_not_go_or_change_by_itself() -> None:
    live = verdict("1", dags=(dag("a", tags=("protected",)), dag("b")))
    assert objections(live, live=live) == []
    (gone,) = objections(with_dags("b"), live=live)
    assert (gone.guard, gone.message) == ("protected", "a is protected and would be removed")
    (untagged,) = objections(verdict("2", dags=(dag("a", digest="d2"), dag("b"))), live=live)
    assert untagged.message == "a is protected and would be changed"
    assert objections(verdict("2", dags=(live.dags[0], dag("b", digest="d2"))), live=live) == []


def test_code_that_a_protected_dag_reads_is_protected_though_its_structure_stays() -> None:
    settings = Settings(protected=("a*",))
    assert len(objections(with_dags("abcdefghij"), settings, touched=frozenset({"a.py", "b.py"}))) == 1
    assert objections(with_dags("abcdefghij"), settings, touched=frozenset({"b.py"})) == []


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 1, 7, 7, 0, tzinfo=UTC), ""),  # 8 o'clock in Berlin
        (datetime(2026, 1, 7, 15, 59, tzinfo=UTC), ""),
        (datetime(2026, 1, 7, 16, 0, tzinfo=UTC), "2026-01-08T08:00:00+01:00"),
        (datetime(2026, 1, 9, 20, 0, tzinfo=UTC), "2026-01-12T08:00:00+01:00"),  # a Friday evening
        (datetime(2026, 3, 27, 20, 0, tzinfo=UTC), "2026-03-30T08:00:00+02:00"),  # the clock changes on Sunday
    ],
)
def test_a_window_is_open_for_some_hours_of_its_own_time_zone(now: datetime, until: str) -> None:
    window = Span(cron="0 8 * * mon-fri", hours=9, timezone="Europe/Berlin")
    found = objections(LIVE, Settings(windows=((window,),)), now=now)
    assert [one.until for one in found] == ([until] if until else [])


def test_one_open_window_is_enough_but_each_group_needs_one() -> None:
    day, night = Span(cron="0 8 * * *", hours=9), Span(cron="0 20 * * *", hours=9)
    assert objections(LIVE, Settings(windows=((day, night),))) == []
    assert len(objections(LIVE, Settings(windows=((day,), (night,))))) == 1


def test_a_freeze_tells_its_end_and_a_span_may_be_for_other_sources() -> None:
    freeze = Span(cron="0 0 5 1 *", hours=72)
    (objection,) = objections(LIVE, Settings(freezes=(freeze,)))
    assert objection.until == "2026-01-08T00:00:00+00:00"
    assert "there is a freeze until 2026-01-08 00:00+00:00" in objection.message
    other = Span(cron="0 0 5 1 *", hours=72, sources=("ops",))
    assert objections(LIVE, Settings(freezes=(other,), windows=((other,),))) == []


def test_the_deployment_may_loosen_and_a_repository_can_only_tighten() -> None:
    loose = policy("[guards]\nshare = 0.9\n").guards
    tight = policy('[guards]\nshare = 0.1\nprotected = ["a"]\n').guards
    assert guards.settings.of(loose, {}, {}).share == 0.9
    assert guards.settings.of({}, loose, {}).share == 0.3
    assert guards.settings.of(loose, tight, {}) == Settings(share=0.1, protected=("a",))


def test_what_live_asks_for_its_dags_holds_for_the_push_that_takes_it_away() -> None:
    live = policy('[guards]\nat_least = 1\nprotected = ["a"]\nfreezes = [{cron = "0 0 1 1 *", hours = 9000}]\n').guards
    assert guards.settings.of({}, {}, live) == Settings(at_least=1, protected=("a",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[guard]\n", "guard: unknown key; did you mean guards?"),
        ("[guards]\nshares = 1\n", "guards.shares: unknown key; did you mean share?"),
        ("[guards]\nprotected = 'a'\n", "guards.protected: must be a list of names"),
        ("[guards]\nwindows = []\n", "guards.windows: must be a list of tables with cron and hours"),
        ("[[guards.windows]]\nhours = 1\n", "guards.windows: must have a cron of five fields"),
        ("[[guards.windows]]\ncron = '0 0 30 2 *'\nhours = 1\n", "guards.windows: must have a cron of five fields"),
        ("[[guards.windows]]\ncron = '0 8 * * *'\nhours = 0\n", "guards.windows: must have hours above 0"),
        ("[[guards.freezes]]\ncron = '0 8 * * *'\nhours = 1\ntimezone = 'Mars'\n", "guards.freezes: must have a time"),
        ("[[guards.freezes]]\ncron = '0 8 * * *'\nhours = 1\nday = 1\n", "guards.freezes: must have no key day"),
    ],
)
def test_a_wrong_setting_is_told_with_its_path(text: str, told: str) -> None:
    _, faults = parse(text)
    assert [fault.message[: len(told)] for fault in faults] == [told]
