from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from airlock import project
from airlock.validate import import_times

_RUN = """
import sys
from airlock.validate import import_times
root = sys.argv[1]
sys.path.append(root)
seconds = import_times.watch(root)
import etl
import json
print(json.dumps(import_times.slowest(seconds)))
"""


def test_imports_of_the_repository_are_timed_with_all_that_they_import(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text("import slow\nimport colorsys\n")
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.2)\nimport mailbox\n")
    environ = {**os.environ, "PYTHONPATH": str(project.ROOT / "include")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, str(tmp_path)],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = json.loads(done.stdout)
    assert next(iter(told)) == "slow"
    assert told["slow"] >= 0.2
    assert "etl" not in told  # nobody of the repository imported it
    assert "mailbox" in told
    assert "email" not in told  # what mailbox imports is its own affair


def test_only_the_slowest_are_told() -> None:
    seconds = {f"m{number}": number / 10 for number in range(20)} | {"quick": 0.0001}
    told = import_times.slowest(seconds)
    assert list(told)[:2] == ["m19", "m18"]
    assert len(told) == 10
