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
names = "plain", "threading_one", "failing", "shadowed", "rare", "uses_foreign", "foreign"
tags = [name for name in names if name in sys.modules]
with DAG({dag_id!r}, tags=tags):
    pass
"""
INSTALLED = {
    "plain.py": "VALUE = 1",
    "threading_one.py": "import threading, time\nthreading.Thread(target=time.sleep, args=[60], daemon=True).start()",
    "failing.py": "raise ValueError('not here')",
    "shadowed.py": "",
    "rare.py": "",
    "uses_foreign.py": "import foreign",
    "pack/__init__.py": "",
    "pack/part.py": "",
}


def lay(place: Path) -> tuple[Path, Path, Path]:
    """Return a tree, a folder of installed packages and one of other code."""
    root, installed, foreign = place / "tree", place / "site-packages", place / "include"
    for folder in (root / "deep", installed / "pack", foreign):
        folder.mkdir(parents=True)
    for name, text in INSTALLED.items():
        (installed / name).write_text(text)
    (foreign / "foreign.py").write_text("VALUE = 1")
    return root, installed, foreign


def test_only_what_is_safe_and_worth_it_is_imported_before_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, installed, foreign = lay(tmp_path)
    (root / "deep" / "shadowed.py").write_text("")
    for number in range(3):
        imports = "\nimport plain, threading_one, shadowed, foreign, uses_foreign\n"
        imports += "try: import failing\nexcept ValueError: pass\n"
        (root / f"etl_{number}.py").write_text(LOOK.format(dag_id=f"etl_{number}") + imports)
    (root / "other.py").write_text(LOOK.format(dag_id="other") + "\nimport rare\n")
    (root / "cannot_be_parsed.py").write_text("# airflow dag\n" + "(" * 5000)
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{foreign}")
    with ForkServer(Answers()) as server:
        verdict = judge(Subject(revision="r", root=root), server)
    assert {dag.dag_id: dag.tags for dag in verdict.dags} == dict.fromkeys(
        ("etl_0", "etl_1", "etl_2", "other"), ("plain",)
    )
    assert [finding.file for finding in verdict.errors] == ["cannot_be_parsed.py"]


@pytest.mark.parametrize("many", [False, True])
def test_a_file_does_not_see_what_was_imported_for_others(
    many: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, installed, _ = lay(tmp_path)
    bash = "airflow.providers.standard.operators.bash"
    files = {
        "bash": f"import airflow.providers.standard\n{bash}",
        "part": "import pack\npack.part",
        "good": f"from {bash} import BashOperator\nfrom pack import part\nimport pack\npack.part",
        **{f"etl_{number}": "import pack.part\npack.part" for number in range(3 if many else 0)},
    }
    for name, text in files.items():
        (root / f"{name}.py").write_text(f"{LOOK.format(dag_id=name)}\n{text}\n")
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with ForkServer(Answers()) as server:
        for _ in range(2):
            verdict = judge(Subject(revision="r", root=root), server)
            assert {finding.file for finding in verdict.errors} == {"bash.py", "part.py"}


def test_code_that_is_no_installed_package_is_looked_at_before_a_verdict_holds_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, installed, foreign = lay(tmp_path)
    for number in range(3):
        text = LOOK.format(dag_id=f"etl_{number}") + "\nimport plain, uses_foreign, foreign\nfrom pack import part\n"
        (root / f"etl_{number}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{foreign}")
    with ForkServer(Answers()) as server:
        subject = Subject(revision="r", root=root)
        assert judge(subject, server, cache=tmp_path / "cache").imported == 3
        assert judge(subject, server, cache=tmp_path / "cache").imported == 0
        (foreign / "foreign.py").write_text("raise ValueError('changed')")
        verdict = judge(subject, server, cache=tmp_path / "cache")
    assert (verdict.imported, verdict.result) == (3, "rejected")
