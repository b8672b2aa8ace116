from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from airlock import needs
from airlock.errors import TransientError


def test_an_answer_is_to_this_question_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    needs.answer(folder, "of an earlier question", ["stale"])

    def dag_processor() -> None:
        while (token := needs.asked(folder)) is None:
            time.sleep(0.01)
        needs.answer(folder, token, ["b", "a"])

    answering = threading.Thread(target=dag_processor)
    answering.start()
    assert needs.of_unfinished_runs(folder) == {"a", "b"}
    answering.join()
    assert list(folder.iterdir()) == []


def test_a_question_that_nobody_waits_for_any_more_is_not_answered(tmp_path: Path) -> None:
    assert needs.asked(tmp_path / "dags") is None
    with pytest.raises(TransientError, match="is the DAG processor running"):
        needs.of_unfinished_runs(tmp_path / "dags", patience_s=0.1)
    assert needs.asked(tmp_path / "dags") is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff", b'{"until": 9e99}'])
def test_garbage_is_no_question(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "needs-question.json").write_bytes(garbage)
    assert needs.asked(tmp_path) is None
