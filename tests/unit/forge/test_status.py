from __future__ import annotations

from typing import Any

import pytest

from airlock.forge import status as statuses

URL = "http://127.0.0.1:8080/log"


def outcome(result: str, **values: Any) -> dict[str, Any]:
    plain = {"source": "dags", "revision": "a" * 40, "release": None, "findings": [], "message": "no", "reason": "Why"}
    return {**plain, "result": result, **values}


@pytest.mark.parametrize(
    ("document", "state", "description"),
    [
        (outcome("rejected", findings=["a.py:1: no [x]"]), "failure", "Rejected, 1 finding: a.py:1: no [x]"),
        (outcome("rejected", findings=["a", "b"]), "failure", "Rejected, 2 findings: a"),
        (outcome("rejected", message="gone\nbad"), "failure", "Rejected, gone bad"),
        (outcome("waiting", reason="OnHold"), "pending", "Passed with no findings, waits: OnHold"),
        (outcome("published", release=3), "pending", "Passed with no findings, on its way into Airflow"),
    ],
)
def test_an_outcome_has_a_state_and_one_line(document: dict[str, Any], state: str, description: str) -> None:
    status = statuses.judged(document, URL)
    assert status == statuses.Status(
        revision="a" * 40,
        state=state,  # type: ignore[arg-type]
        description=description,
        context="airlock/dags",
        url=URL,
    )


@pytest.mark.parametrize(
    "document",
    [outcome("unchanged"), outcome("passed"), outcome("error", revision=None), outcome("waiting", revision="")],
)
def test_a_sync_that_decides_nothing_about_a_revision_sets_none(document: dict[str, Any]) -> None:
    assert statuses.judged(document, URL) is None


def test_a_description_fits_every_forge() -> None:
    status = statuses.judged(outcome("rejected", findings=["x" * 300]), URL)
    assert status
    assert len(status.description) == 140
    assert status.description.endswith("...")


def test_a_release_succeeds_when_airflow_has_it() -> None:
    status = statuses.live(outcome("published", release=3), URL)
    assert (status.state, status.description) == ("success", "Live as release 3")
