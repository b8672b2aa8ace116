from __future__ import annotations

from typing import Any

import pytest

from airlock.errors import ConfigError
from airlock.mirror import Mirror
from airlock.notify import event as events, settings


def outcome(result: str, revision: str = "a" * 40, reason: str = "Because", **values: Any) -> dict[str, Any]:
    plain = {"release": None, "message": "it is so", "findings": [], "changes": []}
    return {**plain, "result": result, "revision": revision, "reason": reason, **values}


def told(mirror: Mirror, *outcomes: dict[str, Any]) -> list[str | None]:
    """Return the kinds of the events of outcomes that follow each other, each remembered."""
    kinds: list[str | None] = []
    for one in outcomes:
        event = events.of(mirror, one)
        kinds.append(event.kind if event else None)
        if event:
            events.remember(mirror, event)
    return kinds


def test_each_change_of_state_is_told_once(mirror: Mirror) -> None:
    bad, good = outcome("rejected"), outcome("published", "b" * 40)
    assert told(mirror, bad, bad, good, good, outcome("unchanged", "b" * 40)) == [
        "rejected",
        None,
        "recovered",
        "published",
        None,
    ]


def test_another_revision_is_another_state(mirror: Mirror) -> None:
    assert told(mirror, outcome("rejected"), outcome("rejected", "b" * 40)) == ["rejected", "rejected"]


def test_going_back_upstream_to_what_is_live_recovers(mirror: Mirror) -> None:
    assert told(mirror, outcome("rejected"), outcome("unchanged", "b" * 40)) == ["rejected", "recovered"]


def test_a_rollback_and_a_question_have_their_own_events(mirror: Mirror) -> None:
    assert told(mirror, outcome("waiting"), outcome("published", reason="RolledBack")) == ["waiting", "rolled-back"]


def test_nothing_is_told_of_a_sync_that_changes_nothing(mirror: Mirror) -> None:
    assert told(mirror, outcome("unchanged"), outcome("passed"), outcome("error", "")) == [None, None, None]


def test_the_text_has_the_findings_and_is_not_endless(mirror: Mirror) -> None:
    event = events.of(mirror, outcome("rejected", findings=[f"f{number}.py: no" for number in range(30)]))
    assert event
    lines = event.text.splitlines()
    assert lines[:2] == ["dags: rejected aaaaaaaaaaaa: it is so", "f0.py: no"]
    assert (len(lines), lines[-1]) == (22, "and 10 more")


def test_no_setting_is_no_receiver() -> None:
    assert settings.load({}) == settings.load({settings.VARIABLE: ""}) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "AIRLOCK_NOTIFIERS: not valid JSON"),
        ("{}", "AIRLOCK_NOTIFIERS: not a list"),
        ('[{"class": "a.B"}]', r"AIRLOCK_NOTIFIERS\[0\]: not an object with the keys"),
        ('[{"notifier": "Slack"}]', r"AIRLOCK_NOTIFIERS\[0\].notifier: 'Slack' is not the dotted path"),
        ('[{"notifier": "a.B", "kwargs": []}]', r"AIRLOCK_NOTIFIERS\[0\].kwargs: not an object"),
        ('[{"notifier": "a.B", "on": ["rejekted"]}]', r"AIRLOCK_NOTIFIERS\[0\].on: .* has an unknown event"),
    ],
)
def test_a_wrong_setting_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings.load({settings.VARIABLE: text})
