"""What many DAG files import is imported once for all of them, where that is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge

LOOK = """
import sys
from airflow.sdk import DAG
tags = [name for name in ("plain", "threading_one", "failing", "shadowed", "rare") if name in sys.modules]
with DAG({dag_id!r}, tags=tags):
    pass
"""
INSTALLED = {
    "plain.py": "VALUE = 1",
    "threading_one.py": "import threading, time\nthreading.Thread(target=time.sleep, args=[60], daemon=True).start()",
    "failing.py": "raise ValueError('not here')",
    "shadowed.py": "",
    "rare.py": "",
}


def test_only_what_is_safe_and_worth_it_is_imported_before_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, installed = tmp_path / "tree", tmp_path / "installed"
    for folder in (root / "deep", installed):
        folder.mkdir(parents=True)
    for name, text in INSTALLED.items():
        (installed / name).write_text(text)
    (root / "deep" / "shadowed.py").write_text("")
    for number in range(3):
        imports = "\nimport plain, threading_one, shadowed\ntry: import failing\nexcept ValueError: pass\n"
        (root / f"etl_{number}.py").write_text(LOOK.format(dag_id=f"etl_{number}") + imports)
    (root / "other.py").write_text(LOOK.format(dag_id="other") + "\nimport rare\n")
    (root / "cannot_be_parsed.py").write_text("# airflow dag\n" + "(" * 5000)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with ForkServer(Answers()) as server:
        verdict = judge(Subject(revision="r", root=root), server)
    assert {dag.dag_id: dag.tags for dag in verdict.dags} == dict.fromkeys(
        ("etl_0", "etl_1", "etl_2", "other"), ("plain",)
    )
    assert [finding.file for finding in verdict.errors] == ["cannot_be_parsed.py"]
