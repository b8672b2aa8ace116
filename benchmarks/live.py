"""From push to live at 10 and at 1,000 DAG files: ``python -m benchmarks.live --files 10 1000 --pushes 20``.

Starts an embedded deployment of this checkout for each number of files, waits until all of them are in Airflow, and
changes one of them several times, then a helper that fifty of them import (at most half of them), and rolls back five
times, each from the start of the command. Prints a Markdown table, with the ratios of medians and of worsts to the
first row. A change is live when the DAG processor has stored every DAG that it affects, under the new version and with
the structure that was judged. Settings of Airflow can be given as variables, as for ``airlock up``.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Embedded
from tests.upstream import Upstream

from airlock import confirm, mirror as mirrors, release
from airlock.source import Source
from airlock.state import State

_DAG = """
from airflow.sdk import dag, task
{imports}

@dag(schedule=None, tags=["generated"])
def generated_{number}():
    @task
    def extract():
        return 1

    @task
    def load_{version}(value):
        print(value)

    load_{version}(extract())


generated_{number}()
"""
_SHARING = 50
_ROLLBACKS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--pushes", type=int, default=20)
    args = parser.parse_args()
    print("| DAG files | all live after | one changed: median | worst | ratios | a helper changed | rollback: median |")
    print("|---|---|---|---|---|---|---|", flush=True)
    first: tuple[float, float] | None = None
    for files in args.files:
        with tempfile.TemporaryDirectory() as folder:
            deployment = _deployment(Path(folder))
            try:
                everything, one, helper, back = _measure(deployment, files, args.pushes)
            finally:
                deployment.down()
        median, worst = statistics.median(one), max(one)
        first = first or (median, worst)
        ratios = f"{median / first[0]:.2f}, worst {worst / first[1]:.2f}"
        told = f"{median:.1f} s | {worst:.1f} s | {ratios} | {helper:.1f} s | {statistics.median(back):.1f} s"
        print(f"| {files} | {everything:.0f} s | {told} |", flush=True)
    return 0


def _measure(deployment: Embedded, files: int, pushes: int) -> tuple[float, list[float], float, list[float]]:
    sharing = min(_SHARING, files // 2)
    tree: dict[str, str | bytes | None] = {f"generated_{number}.py": _text(number, sharing) for number in range(files)}
    deployment.upstream.push({"shared_helper.py": "VALUE = 0\n", **tree})
    started = time.time()
    done = deployment.up()
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    everything = _live_at(deployment, deployment.upstream.git("rev-parse", "HEAD")) - started
    one = []
    for number in range(pushes):
        # Wherever the DAG processor is in its round, and whichever file it is.
        chosen = files - 1 - (number * 37) % (files - sharing)
        one.append(_push(deployment, {f"generated_{chosen}.py": _text(chosen, sharing, version=number + 1)}))
    helper = _push(deployment, {"shared_helper.py": f"VALUE = {pushes}\n"})
    return everything, one, helper, [_roll_back(deployment) for _ in range(min(_ROLLBACKS, pushes))]


def _text(number: int, sharing: int, version: int = 0) -> str:
    imports = "from shared_helper import VALUE\n" if number < sharing else ""
    return _DAG.format(number=number, version=version, imports=imports)


def _push(deployment: Embedded, files: dict[str, str | bytes | None]) -> float:
    time.sleep(3)
    started = time.time()
    return _live_at(deployment, deployment.upstream.push(files)) - started


def _roll_back(deployment: Embedded) -> float:
    mirror = mirrors.of(State(root=deployment.state), Source(name="dags", repo_url=deployment.upstream.url))
    started = time.time()
    done = deployment.airlock("rollback", "--state", str(deployment.state))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    made = release.history(mirror, limit=1)[0]
    record = mirror.read_record(confirm.RECORD) or {}
    if record.get("release") != made.number:
        raise SystemExit(f"the rollback to {made.revision} was not confirmed: {record}")
    return _when(made, record) - started


def _when(made: release.Release, record: dict[str, Any]) -> float:
    return datetime.fromisoformat(made.published_at).timestamp() + float(record["publish_to_live_s"])


def _live_at(deployment: Embedded, revision: str) -> float:
    """Wait until a revision is live, and return when its last DAG was stored, in seconds since 1970."""
    mirror = mirrors.of(State(root=deployment.state), Source(name="dags", repo_url=deployment.upstream.url))
    deadline = time.monotonic() + 900
    while (record := mirror.read_record(confirm.RECORD) or {}).get("revision") != revision:
        if time.monotonic() > deadline:
            raise SystemExit(f"{revision} was not live after 900 s: {mirror.read_record('sync')}")
        time.sleep(0.2)
    made = release.of_revision(mirror, revision)
    if made is None:
        raise SystemExit(f"{revision} is live without a release")
    return _when(made, record)


def _deployment(folder: Path) -> Embedded:
    url = str(folder / "upstream.git")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", url], check=True, timeout=60)
    upstream = Upstream(url=url, clone=folder / "clone")
    subprocess.run(["git", "init", "-q", "-b", "main", str(upstream.clone)], check=True, timeout=60)
    upstream.git("config", "user.name", "Benchmark")
    upstream.git("config", "user.email", "benchmark@example.com")
    upstream.git("remote", "add", "origin", url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    variables = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")}
    return Embedded(state=folder / "state", port=port, upstream=upstream, variables=variables)


if __name__ == "__main__":
    sys.exit(main())
