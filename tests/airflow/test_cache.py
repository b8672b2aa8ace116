"""What has not changed is not imported again, and that never shows in a verdict."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.verdict import Verdict

HEAD = """
import os
from pathlib import Path
from airflow.sdk import DAG, Variable
HERE = Path(__file__).parent
tags = []
"""
TAIL = "\nwith DAG(DAG_ID, schedule=None, tags=[str(tag) for tag in tags]):\n    pass\n"
# Ways in which a DAG file depends on something; each leaves a trace in the DAG.
WAYS = {
    "constant": "tags += ['one']",
    "module": "import helper\ntags += [helper.VALUE]",
    "module within": "from package.inner import VALUE\ntags += [VALUE]",
    "module that may be missing": "try:\n    import helper\nexcept ImportError:\n    tags += ['none']",
    "search for a module": "import importlib.util\ntags += [importlib.util.find_spec('package') is not None]",
    "data": "tags += [(HERE / 'data' / 'one.yaml').read_text()]",
    "data that may be missing": "tags += [(HERE / 'data/two.yaml').exists()]",
    "all data": "tags += [path.name + path.read_text() for path in sorted(HERE.glob('data/*.yaml'))]",
    "names": "tags += sorted(os.listdir(HERE / 'data')) if os.path.isdir(HERE / 'data') else ['no data']",
    "names within": "tags += [name for _, _, names in os.walk(HERE / 'data') for name in sorted(names)]",
    "names by descriptor": "tags += [name for _, _, names, _ in os.fwalk(HERE / 'data') for name in sorted(names)]",
    "data by descriptor": """
if os.path.isdir(HERE / 'data'):
    folder = os.open(HERE / 'data', os.O_RDONLY)
    tags += sorted(os.listdir(folder))
    tags += [os.read(os.open('one.yaml', os.O_RDONLY, dir_fd=folder), 99).decode()]
    tags += [os.stat('one.yaml', dir_fd=folder).st_size]""",
    "own search path": "import sys\nsys.path.insert(0, str(HERE / 'data'))\nimport beside\ntags += [beside.VALUE]",
    "variable": "tags += [Variable.get('region', default='nowhere')]",
    "native open": "tags += [os.read(os.open(HERE / 'data/one.yaml', os.O_RDONLY), 99).decode()]",
    "size": "tags += [os.stat(HERE / 'data/one.yaml').st_size]",
    "broken": "raise ValueError('broken')",
    "syntax": "def",
}
OTHERS = (
    "helper.py",
    "package/__init__.py",
    "package/inner.py",
    "data/one.yaml",
    "data/two.yaml",
    "data/deep/three.yaml",
)
OTHERS += ("data/beside.py", "helper/__init__.py", ".airflowignore")
CONTENTS = ("VALUE = 'a'\n", "VALUE = 'b'\n", "VALUE = 'c' * 3\n", "")
files = st.dictionaries(st.sampled_from(["one", "two", "sub/three"]), st.sampled_from(sorted(WAYS)), min_size=1)
others = st.dictionaries(st.sampled_from(OTHERS), st.sampled_from(CONTENTS), max_size=len(OTHERS))
edits = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["one", "two", "sub/three"]), st.sampled_from([*sorted(WAYS), None])),
        st.tuples(st.sampled_from(OTHERS), st.sampled_from([*CONTENTS, None])),
        st.tuples(st.just("region"), st.sampled_from(["eu", "us", None])),
    ),
    min_size=1,
    max_size=5,
)


class Deployment:
    """Answers for all examples; the variable changes between them."""

    region: str | None = None

    def resolve(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if self.region is None:
            return None
        return {"type": "VariableResult", "key": body["key"], "value": self.region}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(Answers()) as server:
        yield server


def plain(verdict: Verdict) -> Verdict:
    """Return a verdict without what may differ: times, and how much was imported."""
    return replace(verdict, duration_s=0.0, judged_at="", imported=0, cached=0)


def lay(root: Path, tree: Mapping[str, str]) -> None:
    root.mkdir()
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def dag_file(name: str, way: str) -> str:
    return HEAD + f"DAG_ID = {name.replace('/', '_')!r}\n" + WAYS[way] + TAIL


@given(files, others, edits)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cached_verdict_is_the_full_one(
    server: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    dags: dict[str, str],
    rest: dict[str, str],
    changes: list[tuple[str, str | None]],
) -> None:
    place = tmp_path_factory.mktemp("example")
    tree = {f"{name}.py": dag_file(name, way) for name, way in dags.items()}
    tree |= {name: content for name, content in rest.items() if name != "helper/__init__.py" or "helper.py" not in rest}
    deployment = Deployment()
    for number, change in enumerate([None, *changes, None]):
        if change:
            name, what = change
            if name == "region":
                deployment.region = what
            else:
                path = name if name in OTHERS else f"{name}.py"
                if what is None:
                    tree.pop(path, None)
                else:
                    tree[path] = what if name in OTHERS else dag_file(name, what)
        root = place / f"tree-{number}"
        lay(root, tree)
        subject = Subject(revision="r", root=root)
        server.answers = Answers(deployment.resolve)
        cached = judge(subject, server, cache=place / "cache")
        server.answers = Answers(deployment.resolve)
        full = judge(subject, server)
        assert plain(cached) == plain(full)
        assert cached.imported + cached.cached == full.imported
        shutil.rmtree(root)


def test_nothing_is_imported_when_nothing_changed_and_only_the_changed_otherwise(
    server: ForkServer, tmp_path: Path
) -> None:
    deployment = Deployment()
    deployment.region = "eu"
    tree = {f"{name}.py": dag_file(name.replace(" ", "_"), name) for name in WAYS}
    tree |= {"helper.py": CONTENTS[0], "data/one.yaml": "1", "data/beside.py": CONTENTS[1]}
    tree |= {"package/__init__.py": "", "package/inner.py": CONTENTS[1]}

    def judged(number: int) -> Verdict:
        lay(tmp_path / str(number), tree)
        server.answers = Answers(deployment.resolve)
        return judge(Subject(revision="r", root=tmp_path / str(number)), server, cache=tmp_path / "cache")

    first, again = judged(1), judged(2)
    assert (first.imported, first.cached) == (len(WAYS), 0)
    assert (again.imported, again.cached) == (0, len(WAYS))
    assert plain(first) == plain(again)
    tree["constant.py"] += "# changed\n"
    assert judged(3).imported == 1
    tree["helper.py"] = CONTENTS[1]
    assert judged(4).imported == 2
    deployment.region = "us"
    assert judged(5).imported == 1
    tree["data/two.yaml"] = "2"
    assert judged(6).imported == 6  # who asked whether it exists, and who lists the folder


@pytest.mark.parametrize(
    "what",
    [
        "import subprocess\nsubprocess.run(['true'], check=True)",
        "os.system('true')",
        "import socket\nsocket.gethostname()",
        "import sqlite3\nsqlite3.connect(':memory:')",
        "import time\ntags += [int(time.time()) * 0]",
        "import time\ntags += [time.strftime('%H%M%S')]",
        "open('/proc/uptime').read()",
        "list(Path('/etc').iterdir())",
        "Variable.get('unknown', default=None)\nfrom airflow.sdk import Variable as V\nlist(V.keys(prefix=''))",
    ],
)
def test_a_file_that_depends_on_what_cannot_be_looked_at_again_is_imported_again(
    server: ForkServer, tmp_path: Path, what: str
) -> None:
    root = tmp_path / "tree"
    lay(root, {"one.py": HEAD + "DAG_ID = 'one'\n" + what + TAIL})
    server.answers = Answers()
    for _ in range(2):
        verdict = judge(Subject(revision="r", root=root), server, cache=tmp_path / "cache")
        assert (verdict.imported, verdict.cached) == (1, 0), verdict.findings


@pytest.mark.parametrize(
    "name", ["a\0b", "a" * 300, "b/" * 3000, "\ud800"], ids=["nul", "too long", "too deep", "no character"]
)
def test_a_name_that_no_file_can_have_is_one_that_is_not_there(server: ForkServer, tmp_path: Path, name: str) -> None:
    root = tmp_path / "tree"
    asks = "os.path.exists(HERE / NAME)\ntry: open(HERE / NAME)\nexcept (OSError, ValueError): pass"
    one = HEAD + f"DAG_ID, NAME = 'one', {name!a}\n" + asks + TAIL
    lay(root, {"one.py": one, "two.py": dag_file("two", "constant")})
    server.answers = Answers()
    for cached in (0, 1):
        verdict = judge(Subject(revision="r", root=root), server, cache=tmp_path / "cache")
        assert {dag.dag_id for dag in verdict.dags} == {"one", "two"}, verdict.findings
        assert verdict.cached >= cached


def test_a_damaged_cache_and_one_that_cannot_be_written_cost_time_only(server: ForkServer, tmp_path: Path) -> None:
    root, cache = tmp_path / "tree", tmp_path / "cache"
    lay(root, {"one.py": dag_file("one", "constant")})
    server.answers = Answers()
    subject = Subject(revision="r", root=root)
    expected = plain(judge(subject, server, cache=cache))
    for path in cache.glob("*.json"):
        path.write_bytes(path.read_bytes()[:-20])
    assert plain(judge(subject, server, cache=cache)) == expected
    assert judge(subject, server, cache=cache).cached == 1
    shutil.rmtree(cache)
    cache.write_text("not a directory")
    assert plain(judge(subject, server, cache=cache)) == expected


SETTINGS = """
import os
from pathlib import Path
from airflow.exceptions import AirflowClusterPolicyViolation
STAGE = os.environ.get("STAGE", "dev")
OWNERS = Path(__file__).with_name("owners.txt").read_text().split()
def dag_policy(dag):
    if STAGE == "prod":
        raise AirflowClusterPolicyViolation("not here")
    dag.tags |= set(OWNERS)
"""


def test_what_the_cluster_policy_reads_when_it_is_loaded_has_all_files_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    lay(home, {"config/airflow_local_settings.py": SETTINGS, "config/owners.txt": "sales"})
    lay(tmp_path / "tree", {"one.py": dag_file("one", "constant")})
    monkeypatch.setenv("AIRFLOW_HOME", str(home))

    def judged() -> tuple[int, str, tuple[str, ...]]:
        with ForkServer(Answers()) as server:
            verdict = judge(Subject(revision="r", root=tmp_path / "tree"), server, cache=tmp_path / "cache")
        return verdict.imported, verdict.result, tuple(tag for dag in verdict.dags for tag in dag.tags)

    assert judged() == (1, "passed", ("one", "sales"))
    monkeypatch.setenv("UNRELATED", "1")
    assert judged() == (0, "passed", ("one", "sales"))
    (home / "config" / "owners.txt").write_text("data")
    assert judged() == (1, "passed", ("data", "one"))
    monkeypatch.setenv("STAGE", "prod")
    assert judged() == (1, "rejected", ())


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    root, cache = tmp_path / "tree", tmp_path / "cache"
    lay(root, {"one.py": dag_file("one", "constant") + "from airflow.sdk import Connection\nConnection.get('lake')\n"})
    secret = "sesame-9183"
    with ForkServer(
        Answers(lambda _: {"type": "ConnectionResult", "conn_id": "lake", "conn_type": "s3", "password": secret})
    ) as server:
        assert judge(Subject(revision="r", root=root), server, cache=cache).imported == 1
        assert judge(Subject(revision="r", root=root), server, cache=cache).cached == 1
    assert not [path for path in cache.iterdir() if secret.encode() in path.read_bytes()]
    assert {path.stat().st_mode & 0o077 for path in cache.iterdir()} == {0}
    assert cache.stat().st_mode & 0o077 == 0
