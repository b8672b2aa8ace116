"""Which revisions unfinished runs need: a clean-up asks, and the bundle inside the DAG processor, which can read the
database, answers. Both write small files beside those of ``airlock.enquiry``; a file that is lost is written again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from airlock import enquiry
from airlock.errors import TransientError

_QUESTION, _ANSWER = "needs-question.json", "needs-answer.json"
_PAUSE_S = 0.2


def of_unfinished_runs(folder: Path, *, patience_s: float = 60) -> frozenset[str]:
    """Return the revisions to which queued and running runs are pinned, as they are after the call began.

    Raises ``TransientError`` when the DAG processor does not answer, ``StateError`` when nothing can be written.
    """
    token = secrets.token_hex(8)
    enquiry.write(folder / _QUESTION, {"token": token, "until": time.time() + patience_s})
    deadline = time.monotonic() + patience_s
    while (needed := _answered(folder, token)) is None:
        if time.monotonic() > deadline:
            raise TransientError(
                f"{folder.name}: the DAG processor did not tell within {patience_s:g} s which releases unfinished runs "
                "need, so none is removed",
                hint="is the DAG processor running, and does it see the same state directory? Its log tells more",
                reason="RunsUnknown",
            )
        time.sleep(_PAUSE_S)
    for name in (_QUESTION, _ANSWER):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    return needed


def asked(folder: Path) -> str | None:
    """Return the token of the question that waits for an answer, ``None`` when nobody waits."""
    document = enquiry.read(folder / _QUESTION) or {}
    return document.get("token") if document.get("until", 0) > time.time() else None


def answer(folder: Path, token: str, revisions: Iterable[str]) -> None:
    """Answer the question with that token. Raises ``StateError`` when it cannot be written."""
    enquiry.write(folder / _ANSWER, {"token": token, "revisions": sorted(revisions)})


def _answered(folder: Path, token: str) -> frozenset[str] | None:
    document = enquiry.read(folder / _ANSWER) or {}
    return frozenset(document["revisions"]) if document.get("token") == token else None
