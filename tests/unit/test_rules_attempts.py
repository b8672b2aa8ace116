from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import observed, outcome

from airlock.validate.answers import Asked
from airlock.validate.refused import MARK, Attempt
from airlock.validate.rules import airflow_write, left_running, network, secret, write


@pytest.mark.parametrize("rule", [network, write, secret, airflow_write, left_running])
def test_a_file_that_does_nothing_of_it_gives_nothing(rule: type[network], tmp_path: Path) -> None:
    asked = (Asked(kind="GetVariable", name="a"), Asked(kind="GetConnection", name="b", known=False))
    assert list(rule.find(observed(tmp_path, outcome(asked=asked)))) == []


def test_what_was_tried_is_named_with_its_line(tmp_path: Path) -> None:
    attempts = tuple(
        Attempt(kind="write", what=f"{tmp_path}/{name}", file="etl.py", line=3) for name in ("a", "b", "c", "d")
    )
    (finding,) = write.find(observed(tmp_path, outcome(attempts=attempts)))
    assert (finding.severity, finding.place) == ("error", "etl.py:3")
    assert finding.message == "importing the file writes to a, b, c and 1 more, which was refused"


def test_a_place_in_another_file_is_told(tmp_path: Path) -> None:
    attempt = Attempt(kind="secret", what="/proc/1/environ", file="helpers/spy.py", line=7)
    (finding,) = secret.find(observed(tmp_path, outcome(attempts=(attempt,))))
    assert finding.place == "etl.py"
    assert finding.message == "importing the file reads /proc/1/environ (in helpers/spy.py:7), which was refused"


def test_where_the_network_is_allowed_its_use_is_a_warning(tmp_path: Path) -> None:
    attempt = Attempt(kind="network", what="example.com:443", is_refused=False, file="etl.py", line=2)
    (finding,) = network.find(observed(tmp_path, outcome(attempts=(attempt,))))
    assert (finding.severity, finding.message) == ("warning", "importing the file reaches for example.com:443")


def test_an_import_error_that_tells_of_it_is_enough(tmp_path: Path) -> None:
    one = outcome(
        attempts=(Attempt(kind="network", what="example.com:443"),),
        errors={"etl.py": f"PermissionError: [Errno 13] network {MARK}: 'example.com:443'"},
    )
    assert list(network.find(observed(tmp_path, one))) == []
    other = outcome(attempts=one.attempts, errors={"etl.py": "ValueError: another thing"})
    assert len(list(network.find(observed(tmp_path, other)))) == 1


def test_a_change_to_airflow_is_named(tmp_path: Path) -> None:
    one = outcome(asked=(Asked(kind="PutVariable", name="last_import", known=False),))
    (finding,) = airflow_write.find(observed(tmp_path, one))
    assert finding.message == "importing the file asks Airflow for PutVariable last_import, which was refused"


def test_processes_reject_and_threads_warn(tmp_path: Path) -> None:
    (both,) = left_running.find(observed(tmp_path, outcome(left=("tail", "tail"), threads=("Thread-1",))))
    assert both.severity == "error"
    assert both.message == "when the import had ended, 2 processes (tail) and 1 thread (Thread-1) ran on"
    (threads,) = left_running.find(observed(tmp_path, outcome(threads=("Thread-1",))))
    assert threads.severity == "warning"
    assert list(left_running.find(observed(tmp_path, outcome(how="timed-out", left=("sleep",))))) == []
