"""Runs inside the DAG processor: tells a waiting task what is stored, and has files parsed before all others; tells a
clean-up which revisions unfinished runs need.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock import enquiry, needs
from airlock.enquiry import Answer, ImportFault, Question, Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 100  # DAGs whose structure is read in one turn: the loop of the DAG processor waits for it


@dataclass(kw_only=True)
class Reporter:
    """Answers the questions about one bundle. It costs the opening of two files while nobody asks.

    Private API of Airflow, held by a test with the real DAG processor: the tables, and that a request to parse a file
    is taken up at the next turn of the DAG processor's loop.
    """

    folder: Path
    bundle: str
    _requested: dict[tuple[str, str], int] = field(default_factory=dict)
    _digests: dict[str, tuple[str, str]] = field(default_factory=dict)

    def report(self, revision: str, tree: Path) -> None:
        """Answer the question about ``revision``, whose tree stands at ``tree``, and the one about unfinished runs.

        It raises nothing: what goes wrong here must not keep the DAG processor from its work.
        """
        if token := needs.asked(self.folder):
            try:
                needs.answer(self.folder, token, _needed())
            except Exception:
                log.exception("bundle %s: what unfinished runs need cannot be told", self.bundle)
        question = enquiry.asked(self.folder)
        if question is None or question.revision != revision:
            return
        try:
            self._answer(question, tree)
        except Exception:
            log.exception("bundle %s: what is stored of %s cannot be told", self.bundle, revision)

    def _answer(self, question: Question, tree: Path) -> None:
        from airflow.utils.session import create_session

        with create_session() as session:
            self._request(session, question)
            dags = self._stored(session, question, tree)
            errors = self._errors(session, question)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        enquiry.answer(self.folder, Answer(revision=question.revision, at=now, dags=dags, errors=errors))

    def _request(self, session: Session, question: Question) -> None:
        """Have files parsed that were asked for since the last turn. The last request stands first in the queue."""
        from airflow.models.dagbag import DagPriorityParsingRequest

        for file, count in question.parse.items():
            key = (question.revision, file)
            if count > self._requested.get(key, 0):
                session.merge(DagPriorityParsingRequest(bundle_name=self.bundle, relative_fileloc=file))
                self._requested[key] = count
        self._requested = {key: count for key, count in self._requested.items() if key[0] == question.revision}

    def _stored(self, session: Session, question: Question, tree: Path) -> dict[str, Stored]:
        from airflow.models.dag import DagModel
        from sqlalchemy import select

        wanted = set(question.dags)
        rows = session.execute(
            select(DagModel.dag_id, DagModel.bundle_version, DagModel.last_parsed_time).where(
                DagModel.bundle_name == self.bundle, DagModel.is_stale.is_(False)
            )
        ).all()
        parsed = {row.dag_id: (row.bundle_version, _iso(row.last_parsed_time)) for row in rows if row.dag_id in wanted}
        here = {dag_id: at for dag_id, (version, at) in parsed.items() if version == question.revision}
        unread = [dag_id for dag_id, at in here.items() if self._digests.get(dag_id, ("", ""))[0] != at]
        for dag_id, data in _latest(session, unread[:_MOST_AT_ONCE]):
            self._digests[dag_id] = (here[dag_id], _digest(data, tree))
        told = {}
        for dag_id, (version, at) in parsed.items():
            read_at, digest = self._digests.get(dag_id, ("", ""))
            if dag_id not in here:
                told[dag_id] = Stored(version=version, parsed_at=at, digest="")
            elif read_at == at:
                told[dag_id] = Stored(version=version, parsed_at=at, digest=digest)
        return told

    def _errors(self, session: Session, question: Question) -> dict[str, ImportFault]:
        from airflow.models.errors import ParseImportError
        from sqlalchemy import select

        rows = session.execute(
            select(ParseImportError.filename, ParseImportError.timestamp, ParseImportError.stacktrace).where(
                ParseImportError.bundle_name == self.bundle
            )
        ).all()
        return {
            row.filename: ImportFault(at=_iso(row.timestamp), text=row.stacktrace or "")
            for row in rows
            if row.filename in question.parse
        }


def _needed() -> list[str]:
    """Return the bundle versions to which queued and running runs are pinned, whatever their bundle is."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    unfinished = DagRun.state.in_([DagRunState.QUEUED, DagRunState.RUNNING])
    with create_session() as session:
        return [
            version
            for version in session.scalars(select(DagRun.bundle_version).where(unfinished).distinct())
            if version
        ]


def _latest(session: Session, dag_ids: list[str]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    from airflow.models.serialized_dag import SerializedDagModel

    if dag_ids:
        for one in SerializedDagModel.get_latest_serialized_dags(dag_ids=dag_ids, session=session):
            if one.data is not None:
                yield one.dag_id, one.data


def _digest(data: Mapping[str, Any], tree: Path) -> str:
    from airlock.validate import describe

    return str(describe.dag(data, str(tree))["digest"])


def _iso(time: datetime | None) -> str:
    return time.isoformat() if time else ""
