"""What was seen of a revision before any rule has looked at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from airlock.validate.answers import Asked
from airlock.validate.refused import Attempt
from airlock.verdict import Dag, Verdict

HAS_SECRET = "its messages have a value that is hidden"  # noqa: S105 - the opposite of one


@dataclass(frozen=True, kw_only=True)
class Lint:
    """One message of ruff about a file, relative to the root of the repository; ``advice`` may name a replacement."""

    file: str
    line: int
    code: str
    message: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """How the import of one DAG file went. Paths are relative to the root of the repository.

    ``how`` says how the child ended: ``parsed`` (it told its result), ``timed-out`` (it was killed), ``crashed`` (it
    ended without a result; ``detail`` says with which signal or status). ``errors`` are Airflow's import errors, by
    file. ``inputs`` are the files of the revision that the import read. ``output`` is the end of what the file printed.
    ``repeated`` are the DAG ids that it defines more than once. ``imports`` has the seconds of its slowest imports, and
    ``import_s`` those of all it does when it is imported. ``unstable`` maps DAG ids to the parts that differed when the
    file was imported a second time; ``varies`` is whether they might have. ``lint`` is what ruff says about it and the
    modules that it imports. ``asked`` are its questions to Airflow. ``touched`` is all that the import depended on, as
    kinds and names of ``airlock.validate.touched``; ``unclear`` says what it did that cannot be looked at again.
    ``attempts`` are at what is refused: network, writes, secrets. ``left`` and ``threads`` name the processes and
    threads that ran on when the import had ended.
    """

    file: str
    how: Literal["parsed", "timed-out", "crashed"]
    detail: str = ""
    dags: tuple[Dag, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    output: str = ""
    duration_s: float = 0.0
    import_s: float = 0.0
    imports: Mapping[str, float] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    unstable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    varies: bool = False
    asked: tuple[Asked, ...] = ()
    touched: tuple[tuple[str, str], ...] = ()
    unclear: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    left: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    lint: tuple[Lint, ...] = ()

    @property
    def has_secret(self) -> bool:
        """Whether a text in it has a value that is to be hidden: it must not be written to disk."""
        return HAS_SECRET in self.unclear


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Which files Airflow would parse, or why it cannot tell.

    ``ignore_files`` maps unusable ignore files to the error.
    """

    files: tuple[str, ...] = ()
    error: str = ""
    ignore_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with the repository's policy file; what is not an error has no effect and is told."""

    message: str
    line: int | None = None
    is_error: bool = True


@dataclass(frozen=True, kw_only=True)
class Observed:
    """All that rules may look at. ``folder`` is the DAG folder below ``root``; ``owners`` tells who has a DAG id
    elsewhere.

    ``elsewhere`` has the new DAG ids that Airflow knows already, with their bundles, though perhaps from long ago.
    ``live`` is the verdict on what is live now. ``installed`` maps the names of installed distributions to their
    versions. ``unfinished`` has the number of unfinished runs of each live DAG whose file is not where it was; ``None``
    means that there is nobody to ask (a laptop). ``lint_failure`` is why ruff could not be run. ``options`` are the
    settings of the rules, by rule and option, and ``policy_faults`` what is wrong with the file that has them.
    """

    root: Path
    folder: Path
    discovery: Discovery
    outcomes: tuple[FileOutcome, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    live: Verdict | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    unfinished: Mapping[str, int] | None = None
    lint_failure: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy_faults: tuple[Fault, ...] = ()

    @property
    def live_dags(self) -> Mapping[str, Dag]:
        """The DAGs that are live now, by id."""
        return {dag.dag_id: dag for dag in self.live.dags} if self.live else {}

    def option(self, rule: str, name: str) -> Any:
        """Return the setting of a rule's option; every option of a rule has one."""
        return self.options[rule][name]

    def relative(self, path: Path) -> str:
        """Return a path as findings name it: relative to the root of the repository."""
        return path.relative_to(self.root).as_posix()
