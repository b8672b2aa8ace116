"""The gate and Airflow's DAG processor say the same about every file of a corpus, down to the serialised DAG."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airlock import project
from airlock.validate import judge as judging
from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.limits import Limits
from airlock.validate.outcome import FileOutcome, Observed

CASES = project.ROOT / "tests" / "cases" / "parity"
SETTINGS = {
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "15",
    "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "40",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "30",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "2",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW_VAR_FROM_ENVIRONMENT": "told",
    "TEAM": "sales",
}
DAG = "from airflow.sdk import DAG\nwith DAG('{}', schedule=None):\n    pass\n"


def resolve(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Answer what the DAG processor's database holds."""
    if body.get("key") == "region":
        return {"type": "VariableResult", "key": "region", "value": "eu"}
    if body.get("conn_id") == "lake":
        names = dict.fromkeys(("schema", "login", "port", "extra"))
        lake = {"conn_id": "lake", "conn_type": "s3", "host": "lake.example.com", "password": "sesame-9183"}
        return {"type": "ConnectionResult", **names, **lake}
    return None


def lay(root: Path, *, with_examples: bool) -> None:
    """Copy the cases, add what a repository of ours cannot hold, and the examples that packages ship."""
    shutil.copytree(CASES, root)
    with zipfile.ZipFile(root / "archive.zip", "w") as archive:
        archive.writestr("in_archive.py", "import beside\n" + DAG.format("in_archive"))
        archive.writestr("beside.py", "VALUE = 1\n")
        archive.writestr("broken_in_archive.py", "# airflow dag\nraise ValueError('in the archive')\n")
        archive.writestr("package/inner.py", DAG.format("too_deep"))
    (root / "no_archive.zip").write_text("airflow dag")
    (root / "empty.zip").write_bytes(b"PK\5\6" + bytes(18))
    (root / "linked.py").symlink_to("nested/deep/deepest.py")
    (root / "dangling.py").symlink_to("nowhere.py")
    (root / "größe.py").write_text(DAG.format("groesse"), encoding="utf-8")
    (root / "данные").mkdir()
    (root / "данные" / "поток.py").write_text(DAG.format("potok"), encoding="utf-8")
    (root / "latin.py").write_bytes("# -*- coding: latin-1 -*-\n# é\n".encode("latin-1") + DAG.format("latin").encode())
    (root / "undecodable.py").write_bytes(b"# \xff airflow\n" + DAG.format("undecodable").encode())
    (root / "nul.py").write_bytes(b"# airflow dag \0\n")
    if with_examples:
        import airflow

        for folder in Path(airflow.__file__).parent.rglob("example_dags"):
            target = root / "examples" / "_".join(folder.relative_to(Path(airflow.__file__).parent).parts)
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))


def processed(root: Path, home: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what the DAG processor makes of a tree."""
    bundle = {"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}
    environ = {
        **os.environ,
        **settings,
        "AIRFLOW_HOME": str(home),
        "PYTHONHASHSEED": "0",  # as in the gate: Airflow stores some sets as lists
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([{**bundle, "kwargs": {"path": str(root)}}]),
        "PYTHONPATH": f"{project.ROOT / 'include'}:{project.ROOT}",
    }
    argv = [sys.executable, "-P", "-m", "tests.airflow.dag_processor", str(root), str(home / "result.json")]
    done = subprocess.run(argv, check=False, env=environ, cwd=home, capture_output=True, text=True, timeout=280)
    assert (home / "result.json").exists(), done.stderr[-3000:]
    seen: dict[str, Any] = json.loads((home / "result.json").read_text())
    return seen


def judged(root: Path, home: Path, settings: Mapping[str, str], patch: pytest.MonkeyPatch) -> Observed:
    """Return what the gate observes of the tree."""
    for name, value in {**settings, "AIRFLOW_HOME": str(home)}.items():
        patch.setenv(name, value)
    caught: list[Observed] = []
    apply = judging.apply
    patch.setattr(judging, "apply", lambda observed, policies: (caught.append(observed), apply(observed, policies))[1])
    with ForkServer(Answers(resolve), limits=Limits()) as server:
        judging.judge(judging.Subject(revision="r", root=root), server)
    return caught[0]


def essence(text: str) -> str:
    """Return the line of an import error that says what is wrong; the frames above it are ours or Airflow's."""
    last = text.strip().splitlines()[-1] if text.strip() else ""
    return re.sub(r"0x[0-9a-f]+|PID: \d+", "...", last)


def compare(observed: Observed, seen: Mapping[str, Any]) -> list[str]:
    """Return the disagreements, one line each."""
    ours = {outcome.file: outcome for outcome in observed.outcomes}
    # A file whose process it had to kill leaves no trace in the DAG processor; here it is a finding.
    killed = {name for name, outcome in ours.items() if outcome.how == "timed-out"}
    told = [f"{name}: of one side only" for name in (ours.keys() ^ seen.keys()) - killed]
    for name in sorted(ours.keys() & seen.keys()):
        told += [f"{name}: {line}" for line in _differences(ours[name], seen[name])]
    return told


def _differences(ours: FileOutcome, theirs: Any) -> list[str]:
    if theirs is None or ours.how != "parsed":
        return [] if theirs is None and ours.how != "parsed" else [f"{ours.how} {ours.detail} against {theirs}"]
    lines = []
    dags = sorted([dag.dag_id, dag.digest] for dag in ours.dags)
    if dags != theirs["dags"] and ours.file not in UNSTABLE:
        lines.append(f"DAGs {dags} against {theirs['dags']}")
    if [dag_id for dag_id, _ in dags] != [dag_id for dag_id, _ in theirs["dags"]]:
        lines.append(f"DAG ids {dags} against {theirs['dags']}")
    errors = {name: essence(text) for name, text in ours.errors.items()}
    expected = {name: essence(text) for name, text in theirs["errors"].items()}
    if errors != expected:
        lines.append(f"errors {errors} against {expected}")
    if len(ours.warnings) != len(theirs["warnings"]):
        lines.append(f"warnings {ours.warnings} against {theirs['warnings']}")
    return lines


# Their DAGs hold the time or the order of a set: no two imports are the same.
UNSTABLE = {"now.py", "twice.py"}


@pytest.mark.parametrize(("syntax", "with_examples"), [("glob", True), ("regexp", False)])
def test_every_file_is_seen_as_the_dag_processor_sees_it(
    syntax: str, with_examples: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, home = tmp_path / "tree", tmp_path / "home"
    lay(root, with_examples=with_examples)
    if syntax == "regexp":
        (root / ".airflowignore").write_text("ignored_.*\nnested/[^/]+/skipped\n")
    (home / "config").mkdir(parents=True)
    shutil.copy(CASES / "config" / "airflow_local_settings.txt", home / "config" / "airflow_local_settings.py")
    settings = {**SETTINGS, "AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX": syntax}
    seen = processed(root, home, settings)
    observed = judged(root, home, settings, monkeypatch)
    disagreements = compare(observed, seen)
    assert not disagreements, "\n".join(disagreements)
    assert len(seen) >= (100 if with_examples else 40)
