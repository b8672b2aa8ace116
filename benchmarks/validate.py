"""What validation costs, beside the ways to do without it: python benchmarks/validate.py --files 10 100 1000

Each line is measured in the same run on the same generated repository, because machines differ: read the ratios. CPU
is that of all processes together, memory the largest sum of what they hold (PSS), looked at twice a second. A
repository has teams of a hundred files, each with one DAG (of three tasks, unless ``--tasks`` says more), and a module
that the files of a team import.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "include"))

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.verdict import Verdict

TEAM = 100
FRESH_SAMPLE = 10
DAG_FILE = '''"""Generated."""
from __future__ import annotations

import json

import pendulum
from airflow.sdk import dag, task
from {team}.settings import OWNER


@dag(
    dag_id="{name}",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={{"owner": OWNER, "retries": 2}},
    tags=["{team}"],
)
def pipeline():
    @task
    def extract() -> dict[str, int]:
        return {{"rows": {number}}}

{steps}
    @task
    def load(total: dict[str, int]) -> None:
        print(json.dumps(total))

    load({chain})


pipeline()
'''
STEP = """
    @task
    def transform_{step}(data: dict[str, int]) -> dict[str, int]:
        return {{"rows": data["rows"] * 2}}
"""
PLAIN = """
import sys
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
from pathlib import Path
bag = BundleDagBag(sys.argv[1], bundle_path=Path(sys.argv[2]), bundle_name="dags")
assert not bag.import_errors, bag.import_errors
for dag in bag.dags.values():
    DagSerialization.to_dict(dag)
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one way cost: seconds, and megabytes of all processes and of the first one."""

    wall_s: float
    cpu_s: float
    total_mb: float
    parent_mb: float
    imported: int


def generate(root: Path, files: int, tasks: int = 3) -> None:
    """Write a repository of that many DAG files, each with a DAG of so many tasks in a row, at least two."""
    between = range(tasks - 2)
    steps = "".join(STEP.format(step=step) for step in between)
    chain = "".join(f"transform_{step}(" for step in reversed(between)) + "extract()" + ")" * len(between)
    for number in range(files):
        team = f"team_{number // TEAM:02d}"
        if number % TEAM == 0:
            (root / team).mkdir(parents=True)
            (root / team / "settings.py").write_text(f'OWNER = "{team}"\n')
        name = f"pipeline_{number:05d}"
        (root / team / f"{name}.py").write_text(
            DAG_FILE.format(team=team, name=name, number=number, steps=steps, chain=chain)
        )


@contextmanager
def watched(seen: list[tuple[float, float]], spent: list[float]) -> Iterator[None]:
    """Note the memory of this process and all its descendants while the block runs, and the CPU that noting took."""
    own, done = psutil.Process(), threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            sizes = []
            for process in [own, *own.children(recursive=True)]:
                try:
                    sizes.append(process.memory_full_info().pss / 1e6)
                except psutil.Error:
                    sizes.append(0.0)
            seen.append((sum(sizes), sizes[0]))
        spent.append(time.thread_time())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def cpu_s() -> float:
    """Return the CPU time of this process, and of its descendants that run or have been waited for."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


def measured(work: Callable[[], int]) -> Cost:
    """Return the cost of some work, which returns how many files it imported."""
    seen: list[tuple[float, float]] = [(0.0, 0.0)]
    spent: list[float] = []
    started, before = time.monotonic(), cpu_s()
    with watched(seen, spent):
        imported = work()
        wall_s, used_s = time.monotonic() - started, cpu_s() - before
    return Cost(
        wall_s=wall_s,
        cpu_s=used_s - sum(spent),
        total_mb=max(total for total, _ in seen),
        parent_mb=max(parent for _, parent in seen),
        imported=imported,
    )


def gate(root: Path, cache: Path) -> Iterator[tuple[str, Cost]]:
    """Yield the costs of the gate: from nothing, again, and after changes."""
    subject = Subject(revision="benchmark", root=root)

    def judged(server: ForkServer, kept: Path | None) -> int:
        verdict: Verdict = judge(subject, server, cache=kept)
        assert verdict.result == "passed", verdict.findings[:3]
        return verdict.imported

    with ExitStack() as stack:

        def cold() -> int:
            return judged(stack.enter_context(ForkServer(Answers())), cache)

        yield "gate, cold", measured(cold)
    with ForkServer(Answers()) as server:
        server.wait_until_ready()
        yield "gate, warm process ready", measured(lambda: judged(server, None))
        yield "gate, nothing changed", measured(lambda: judged(server, cache))
        one = root / "team_00" / "pipeline_00001.py"
        one.write_text(one.read_text() + "\n# changed\n")
        yield "gate, one file changed", measured(lambda: judged(server, cache))
        (root / "team_00" / "settings.py").write_text('OWNER = "another"\n')
        yield "gate, one helper changed", measured(lambda: judged(server, cache))


def others(root: Path, home: Path, files: int) -> Iterator[tuple[str, Cost]]:
    """Yield the costs of the ways to do without."""
    bundle = {"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([{**bundle, "kwargs": {"path": str(root)}}]),
    }

    def run(*argv: str) -> int:
        command = [sys.executable, "-P", *argv]
        subprocess.run(command, env=environ, cwd=home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return files

    yield "DagBag and serialise, one process", measured(lambda: run("-c", PLAIN, str(root), str(root)))
    run("-m", "airflow", "db", "migrate")
    yield "airflow dags reserialize", measured(lambda: run("-m", "airflow", "dags", "reserialize"))
    sample = sorted(root.rglob("pipeline_*.py"))[:FRESH_SAMPLE]
    fresh = measured(lambda: sum(run("-c", PLAIN, str(file), str(root)) for file in sample))
    scale = files / len(sample)
    yield (
        f"a fresh process per file ({len(sample)} measured)",
        Cost(
            wall_s=fresh.wall_s * scale,
            cpu_s=fresh.cpu_s * scale,
            total_mb=fresh.total_mb,
            parent_mb=fresh.parent_mb,
            imported=files,
        ),
    )


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100, 1000], metavar="N")
    parser.add_argument("--tasks", type=int, default=3, metavar="N", help="tasks of each DAG")
    parser.add_argument("--only-gate", action="store_true", help="leave out the ways to do without")
    args = parser.parse_args()
    for files in args.files:
        place = Path(tempfile.mkdtemp(prefix="airlock-benchmark-"))
        try:
            generate(place / "dags", files, args.tasks)
            (place / "home").mkdir()
            rows = [] if args.only_gate else list(others(place / "dags", place / "home", files))
            rows += gate(place / "dags", place / "cache")
        finally:
            shutil.rmtree(place)
        yardstick = rows[0][1]
        print(f"\n### {files} files, {args.tasks} tasks each\n")
        print(f"| way | wall s | CPU s | CPU ms a file | memory MB, all (first) | imported | wall / {rows[0][0]} |")
        print("|---|---|---|---|---|---|---|")
        for name, cost in rows:
            memory = f"{cost.total_mb:.0f} ({cost.parent_mb:.0f})" if cost.total_mb else "-"
            per_file = f"{cost.cpu_s / files * 1000:.1f}"
            ratio = f"{cost.wall_s / yardstick.wall_s:.2f}"
            told = (name, f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", per_file, memory, str(cost.imported), ratio)
            print(f"| {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
