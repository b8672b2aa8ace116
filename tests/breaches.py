"""Breaks what Airlock promises on purpose, in a copy of it, and runs the story that has to notice.

A breach is a change of the source text. Where the text is not there any more the breach no longer means anything, and
that is told too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from airlock import project

_COPIED = ("airlock", "include", "tests", "dags", "plugins", "deploy", "docs", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One way to break a promise.

    ``promise`` is its number, ``what`` says what Airlock does then. ``edits`` are the file below ``include/airlock``,
    a text that is there once, and what stands there instead. ``story`` is the test that guards the promise.
    """

    promise: int
    what: str
    edits: tuple[tuple[str, str, str], ...]
    story: str

    @property
    def test(self) -> str:
        """The name of the test that tells the story."""
        return self.story.partition("::")[2].partition("[")[0]


UNIT = (
    Breach(
        promise=2,
        what="moves `live` and writes the release tag one after the other",
        edits=(
            (
                "release.py",
                'git.move_refs(mirror.path, [move, f"create {tag_ref} {tag}", *also])',
                (
                    'for line in [move, f"create {tag_ref} {tag}", *also]:\n'
                    "            git.move_refs(mirror.path, [line])"
                ),
            ),
        ),
        story="tests/unit/test_hurt_at_every_effect.py::test_a_publish[kill]",
    ),
    Breach(
        promise=2,
        what="publishes whatever has become live meanwhile",
        edits=(
            ("release.py", "    if live_revision(mirror) != release.previous:\n        return False\n", ""),
            (
                "release.py",
                'move = f"update {LIVE} {release.revision} {old}" if old else f"create {LIVE} {release.revision}"',
                'move = f"update {LIVE} {release.revision}"',
            ),
        ),
        story="tests/unit/test_release.py::test_losing_the_race_is_a_result_and_changes_nothing",
    ),
    Breach(
        promise=2,
        what="moves `live` without a release",
        edits=(("release.py", '[move, f"create {tag_ref} {tag}", *also]', "[move, *also]"),),
        story="tests/unit/test_release.py::test_a_release_moves_live_and_is_remembered",
    ),
    Breach(
        promise=2,
        what="writes the files of a release where Airflow reads them",
        edits=(("tree.py", "        staging = place / revision\n", "        staging = final\n"),),
        story="tests/unit/test_hurt_at_every_effect.py::test_the_making_of_a_tree[kill]",
    ),
    Breach(
        promise=3,
        what="removes the release of a run that is not finished",
        edits=(("housekeeping/trees.py", "    kept |= needed() if old else frozenset()\n", ""),),
        story="tests/unit/housekeeping/test_housekeeping_trees.py::"
        "test_what_an_unfinished_run_needs_stays_and_is_asked_only_where_something_is_old",
    ),
    Breach(
        promise=5,
        what="rolls back without a hold",
        edits=(("release.py", "_move(mirror, release, [hold.line(mirror)])", "_move(mirror, release, [])"),),
        story="tests/unit/test_rollback.py::test_the_release_before_is_live_again_and_the_source_on_hold",
    ),
    Breach(
        promise=6,
        what="publishes a lock with a package that is not installed",
        edits=(("lockfile/verify.py", "found = differences(pylock, installed)", "found = ()"),),
        story="tests/unit/lockfile/test_lockfile_current.py::"
        "test_a_lock_that_lies_is_not_published_and_the_packages_are_named",
    ),
    Breach(
        promise=6,
        what="writes the time into the lockfile",
        edits=(
            (
                "lockfile/artifact.py",
                "return _text([header,",
                "return _text([header + str(__import__('time').time_ns()),",
            ),
        ),
        story="tests/unit/lockfile/test_lockfile_current.py::test_the_same_environment_gives_the_same_bytes",
    ),
    Breach(
        promise=7,
        what="logs the password in a URL",
        edits=(("process.py", r'_CREDENTIALS.sub(r"\g<scheme>***@", text)', "text"),),
        story="tests/unit/test_process.py::test_the_error_of_a_failed_program_shows_no_password",
    ),
    Breach(
        promise=7,
        what="takes a URL with a password into its settings",
        edits=(("source_check.py", "if holds_secret(url):", "if not url:"),),
        story="tests/unit/test_source.py::test_a_wrong_setting_is_named_with_its_path",
    ),
    Breach(
        promise=7,
        what="lets DAG files see the keys of the deployment",
        edits=(("validate/environment.py", "if not _SECRET_VARIABLES.fullmatch(name)", "if name"),),
        story="tests/unit/test_environment.py::test_secrets_of_the_deployment_do_not_reach_dag_files",
    ),
    Breach(
        promise=7,
        what="shows the password of a connection that a DAG file printed",
        edits=(("validate/answers.py", '            text = text.replace(secret, "***")\n', "            pass\n"),),
        story="tests/unit/test_answers.py::test_secrets_that_were_given_out_are_hidden_wherever_they_show",
    ),
)
AIRFLOW = (
    Breach(
        promise=1,
        what="publishes whatever the verdict is",
        edits=(
            (
                "publication.py",
                '    if verdict.result != "passed":\n        errors',
                "    if not verdict.revision:\n        errors",
            ),
            ("release.py", '    if verdict.result != "passed":\n', "    if not verdict.revision:\n"),
        ),
        story="tests/airflow/test_sync.py::test_a_rejected_revision_is_told_and_live_stays",
    ),
    Breach(
        promise=1,
        what="runs a revision that was never published",
        edits=(
            (
                "supply.py",
                "    if release.is_published(mirror, revision):\n        return mirror\n",
                "    if mirror.exists():\n        return mirror\n",
            ),
        ),
        story="tests/airflow/test_bundle.py::test_a_revision_that_was_never_published_is_refused",
    ),
    Breach(
        promise=1,
        what="runs files that were changed after they were validated",
        edits=(
            (
                "bundle.py",
                "manifest.damage(place, thorough=thorough) == frozenset():",
                "place.is_dir():",
            ),
        ),
        story="tests/airflow/test_bundle.py::test_a_task_does_not_start_on_a_damaged_tree",
    ),
    Breach(
        promise=3,
        what="gives a run what is live",
        edits=(("bundle.py", "        if not self.version:\n            if", "        if self.name:\n            if"),),
        story="tests/airflow/test_bundle.py::test_a_pinned_bundle_stays_and_is_made_again_when_its_tree_is_gone",
    ),
    Breach(
        promise=4,
        what="takes a file that ended its process for a good one",
        edits=(("validate/imports.py", 'FileOutcome(how="crashed",', 'FileOutcome(how="parsed",'),),
        story="tests/airflow/test_sync.py::test_a_revision_that_hangs_crashes_and_exhausts_memory_gets_its_verdict",
    ),
    Breach(
        promise=4,
        what="takes a file that never ends for a good one",
        edits=(("validate/imports.py", 'FileOutcome(how="timed-out",', 'FileOutcome(how="parsed",'),),
        story="tests/airflow/test_sync.py::test_a_revision_that_hangs_crashes_and_exhausts_memory_gets_its_verdict",
    ),
    Breach(
        promise=4,
        what="forgets the verdict",
        edits=(("judgement.py", "        mirror.write_verdict(verdict)\n", "        pass\n"),),
        story="tests/airflow/test_sync.py::test_a_rejected_revision_is_told_and_live_stays",
    ),
    Breach(
        promise=5,
        what="publishes the next push though the source is on hold",
        edits=(
            (
                "publication.py",
                "    if held := holds.read(mirror):\n        return",
                "    if held := None:\n        return",
            ),
            ("publication.py", "        if held := holds.read(mirror):  # since", "        if held := None:  # since"),
        ),
        story="tests/airflow/test_sync.py::test_a_push_while_the_source_is_on_hold_is_judged_and_not_published",
    ),
)
DEPLOYMENT = (
    Breach(
        promise=3,
        what="removes the release of a run that is not finished, in a deployment",
        edits=(("housekeeping/trees.py", "    kept |= needed() if old else frozenset()\n", ""),),
        story="tests/e2e/test_a_run_keeps_its_code.py::"
        "test_twelve_releases_and_a_clean_up_go_by_while_a_run_sleeps_and_another_is_queued",
    ),
)


def copy(place: Path, edits: Iterable[tuple[str, str, str]] = ()) -> Path:
    """Make a copy of this checkout with some edits, and return its folder."""
    place.mkdir(parents=True)
    for name in _COPIED:
        here, there = project.ROOT / name, place / name
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy2(here, there)
    for path in project.ROOT.iterdir():
        if path.name not in _COPIED and path.name != ".git":
            (place / path.name).symlink_to(path)
    for name, before, after in edits:
        file = place / "include" / "airlock" / name
        text = file.read_text()
        assert text.count(before) == 1, f"{name} has {before!r} {text.count(before)} times: bring the breach up to date"
        file.write_text(text.replace(before, after))
    return place


def assert_it_is_noticed(breach: Breach, place: Path) -> None:
    """Assert that the story of a broken promise fails, by an assertion or error of its own."""
    root = copy(place, breach.edits)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", breach.story],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "include"), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    summary = done.stdout.strip().rpartition("\n")[2]
    assert not re.search(r"^E +(NameError|SyntaxError|ImportError|AttributeError)", done.stdout, re.MULTILINE), (
        done.stdout
    )
    assert done.returncode == 1, f"Airlock {breach.what}, and {breach.story} says: {done.stdout}{done.stderr}"
    assert re.match(r"1 failed\b", summary), done.stdout
    assert "error" not in summary, done.stdout
