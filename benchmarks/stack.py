"""How a compose stack grows with its DAG files: ``python -m benchmarks.stack --files 10 100 1000 [--kind celery]``.

Starts the stack of this checkout on the Docker engine that answers, pushes that many generated DAG files, then changes
one of them several times. Prints, as a Markdown table: the first sync, the time from push to live of one changed file,
as Airlock confirms it, and the memory of the containers. Times are of the machine that runs it; the rows compare with
each other.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.stack import Stack, docker
from tests.upstream import Upstream

_DAG = """
from airflow.sdk import dag, task


@dag(schedule=None, tags=["generated"])
def generated_{number}():
    @task
    def extract():
        return {version}

    @task
    def transform(value):
        return value

    @task
    def load(value):
        print(value)

    load(transform(extract()))


generated_{number}()
"""
_SERVICE = "com.docker.compose.service"
_PORT, _GIT_PORT, _FLOWER_PORT = 18080, 19418, 15555


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--kind", choices=("compose", "celery"), default="compose")
    parser.add_argument("--pushes", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = _stack(Path(folder), args.kind)
        stack.down()
        stack.compose("build", "--quiet", timeout_s=900)
        try:
            started = time.monotonic()
            done = stack.up()
            if done.returncode:
                print(done.stdout, done.stderr, file=sys.stderr)
                return 1
            print(f"start until the first release is live: {time.monotonic() - started:.0f} s\n", flush=True)
            print("| DAG files | all of them live after | one changed file: median | worst | memory in MB |")
            print("|---|---|---|---|---|")
            for files in sorted(args.files):
                print(_row(stack, files, args.pushes), flush=True)
        finally:
            stack.down()
    return 0


def _row(stack: Stack, files: int, pushes: int) -> str:
    started = time.monotonic()
    everything = {f"generated_{number}.py": _DAG.format(number=number, version=0) for number in range(files)}
    revision = stack.upstream.push(everything)
    stack.wait_for_live(revision, timeout_s=3600)
    first_s = time.monotonic() - started
    spent = [_one(stack, files // 2, version) for version in range(1, pushes + 1)]
    return f"| {files} | {first_s:.0f} s | {statistics.median(spent):.1f} s | {max(spent):.1f} s | {_memory(stack)} |"


def _one(stack: Stack, number: int, version: int) -> float:
    started = time.monotonic()
    revision = stack.upstream.push({f"generated_{number}.py": _DAG.format(number=number, version=f"'v{version}'")})
    stack.wait_for_live(revision, timeout_s=600)
    return time.monotonic() - started


def _memory(stack: Stack) -> str:
    names = {container["Id"]: container["Config"]["Labels"][_SERVICE] for container in stack.containers()}
    listed = docker("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *names).splitlines()
    used = {names[line["ID"]]: _megabytes(line["MemUsage"].split(" /")[0]) for line in map(json.loads, listed)}
    return ", ".join(f"{name} {size:.0f}" for name, size in sorted(used.items()))


def _megabytes(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([KMG]i?B)", text).groups()
    return float(number) * {"K": 1 / 1024, "M": 1, "G": 1024}[unit[0]]


def _stack(folder: Path, kind: str) -> Stack:
    clone = folder / "clone"
    subprocess.run(["git", "init", "-q", "-b", "main", str(clone)], check=True)
    upstream = Upstream(url=f"git://127.0.0.1:{_GIT_PORT}/dags.git", clone=clone)
    for setting in (("user.name", "Dora"), ("user.email", "dora@example.com")):
        upstream.git("config", *setting)
    upstream.git("remote", "add", "origin", upstream.url)
    settings = {
        "COMPOSE_PROFILES": "sample,celery" if kind == "celery" else "sample",
        "AIRLOCK_EXECUTOR": "CeleryExecutor" if kind == "celery" else "",
        "AIRLOCK_IMAGE": "airlock:benchmark",
        "AIRLOCK_REPO_URL": "git://git/dags.git",
        "AIRLOCK_PORT": str(_PORT),
        "AIRLOCK_GIT_PORT": str(_GIT_PORT),
        "AIRLOCK_FLOWER_PORT": str(_FLOWER_PORT),
    }
    options = ["--scale", "worker=2"] if kind == "celery" else []
    return Stack(
        upstream=upstream, port=_PORT, folder=folder, name="airlock-benchmark", settings=settings, options=options
    )


if __name__ == "__main__":
    sys.exit(main())
