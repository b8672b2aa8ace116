"""Enemies of the gate: each costs its own file one finding, and nobody else anything."""

# ruff: noqa: E501 - an enemy is one line of a table

from __future__ import annotations

import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airlock.validate.answers import Answers
from airlock.validate.forkserver import ForkServer
from airlock.validate.judge import Subject, judge
from airlock.validate.limits import Limits
from airlock.verdict import Verdict

LIMITS = Limits(file_s=10, memory_mb=700, processes=24, output_mb=8)
SANE = """
import json, os, tempfile
from airflow.sdk import DAG, task
with DAG('DAG_ID', schedule="@daily", tags=[json.dumps([1]), open(__file__).read(7)]) as one:
    @task
    def work():
        return 1
    work()
with tempfile.NamedTemporaryFile() as file:
    file.write(b"allowed")
"""
DAG = "\nfrom airflow.sdk import DAG\nwith DAG('DAG_ID', schedule=None):\n    pass\n"

RAW = """
import msgspec
from airflow.sdk.execution_time import task_runner
comms = task_runner.SUPERVISOR_COMMS.socket
def send_bytes(data): comms.sendall(len(data).to_bytes(4, 'big') + data)
def send(frame): send_bytes(msgspec.msgpack.encode(frame))
"""
FORGE = """
import json, os
from airlock.validate import child
def forge(text):
    for one in map(int, os.listdir('/proc/self/fd')):
        try:
            if one > 2 and os.readlink(f'/proc/self/fd/{one}').startswith('pipe'): os.write(one, text.encode())
        except OSError: pass
    child._exit(0)
"""

# What the file does, the rule that finds it, and words of the message.
ENEMIES = {
    "loop": ("while True: pass", "time-out", "10 s"),
    "deaf_loop": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass",
        "time-out",
        "killed",
    ),
    "sleep": ("import time\nwhile True:\n  try: time.sleep(60)\n  except BaseException: pass", "time-out", "killed"),
    "os_exit": ("import os\nos._exit(0)", "crash", "exit status 0"),
    "sys_exit": ("import sys\nsys.exit(3)", "import-error", "SystemExit: 3"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "crash", "SIGSEGV"),
    "abort": ("import os\nos.abort()", "crash", "SIGABRT"),
    "kills_itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "crash", "SIGKILL"),
    "stack": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef down(): return [down() for _ in [1]]\ndown()",
        "crash|import-error|time-out",  # memory or time ends it, whichever is short first
        "",
    ),
    # It ends by itself at 511 processes: a test must not take the machine down when the gate fails.
    "shell_bomb": (
        "import os\nos.system('bomb() { [ $1 = 0 ] || { bomb $(($1-1)) & bomb $(($1-1)) & }; sleep 60; }; bomb 8')",
        "crash",
        "24 processes",
    ),
    "fork_bomb": ("import os\nfor _ in range(9):\n  os.fork()\nimport time\ntime.sleep(60)", "crash", "24 processes"),
    "memory": ("many = []\nwhile True: many.append(bytearray(50_000_000))", "crash|import-error", "emory"),
    "shared_memory": (
        "import mmap\nmany = []\nwhile True:\n  many.append(mmap.mmap(-1, 5 << 20))\n  many[-1].write(b'x' * (5 << 20))",
        "crash|import-error",
        "emory",
    ),
    "output": ("import os\nwhile True: os.write(1, b'x' * 65536)", "crash", "printed more than 8 MB"),
    "daemon": (
        "import os, time\nif not os.fork():\n  os.setsid()\n  if not os.fork(): time.sleep(300)\n  os._exit(0)\nos.wait()",
        "left-running",
        "1 process",
    ),
    "process": (
        "import subprocess\nsubprocess.Popen(['sleep', '300'], start_new_session=True)",
        "left-running",
        "sleep",
    ),
    "fork": ("import os\nos.fork()", "left-running|", ""),
    "deep": ("import os\nfor _ in range(1500):\n  os.mkdir('d')\n  os.chdir('d')", "", ""),
    "no_rights": ("import os\nos.makedirs('shut/in')\nos.chmod('shut', 0)\nos.chmod('.', 0)", "", ""),
    "shared_memory_stays": (
        """
import ctypes
open('/dev/shm/airlock-hostile', 'w').write('x')
libc = ctypes.CDLL(None)
assert libc.shmget(7, 4096, 0o1600) == libc.semget(7, 1, 0o1600) == libc.msgget(7, 0o1600) == -1
""",
        "",
        "",
    ),
    "shared_memory_folders": (
        """
import ctypes, os
libc = ctypes.CDLL(None)
libc.symlink(b'TREE', b'/dev/shm/airlock-hostile-link')
libc.unlink(b'/dev/shm/airlock-hostile-link/a_sane.py')
libc.mkdir(b'/dev/shm/airlock-hostile-folder', 0o700)
""",
        "write",
        "a_sane.py, /dev/shm/airlock-hostile-folder",
    ),
    "colours": ("raise ValueError('\\x1b[2J\\u202egnp.exe')", "import-error", "\\x1b[2J\\u202egnp.exe"),
    "thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=[300]).start()",
        "left-running",
        "1 thread",
    ),
    "replaces_open": ("import builtins, io, os\nbuiltins.open = io.open = os.open = os.write = None", "", ""),
    "replaces_json": ("import json\njson.dumps = json.dump = json.loads = lambda *a, **k: 'hacked'", "", ""),
    "replaces_airflow": (
        "from airflow.dag_processing import processor as one\none._parse_file = one.DagSerialization.to_dict = None",
        "not-serialisable",
        "",
    ),
    "replaces_clock": ("import time, os\ntime.monotonic = time.time = os.getpid = lambda: 1 / 0", "", ""),
    "clears_modules": ("import sys\nsys.modules.clear()", "crash|import-error", ""),
    "writes_beside": (
        "from pathlib import Path\nPath(__file__).with_name('beside.txt').write_text('x')",
        "import-error",
        "write refused",
    ),
    "overwrites": ("open('NEIGHBOUR', 'w').write('')", "import-error", "write refused"),
    "removes": ("import os\ntry: os.remove('NEIGHBOUR')\nexcept OSError: pass", "write", "a_sane.py"),
    "renames_folder": ("import os\ntry: os.rename('TREE', '/tmp/gone')\nexcept OSError: pass", "write", ""),
    "native_write": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.creat(b'TREE/native.txt', 0o600)\nlibc.unlink(b'NEIGHBOUR')",
        "write",
        "native.txt, a_sane.py",
    ),
    "shell_write": (
        "import os\nos.system('echo x > TREE/shell.txt; rm -rf TREE; touch /tmp/airlock-hostile')",
        "write",
        "shell.txt (by sh), ",
    ),
    "shell_moves": (
        "import os\nos.chdir('TREE')\nos.system('mv a_sane.py b.py; chmod 000 a_sane.py')",
        "write",
        "(by mv)",
    ),
    "native_database": (
        "import sqlite3\ntry: sqlite3.connect('TREE/new.db').execute('create table t (c)')\nexcept sqlite3.Error: pass",
        "write",
        "new.db",
    ),
    "shell_secret": ("import os\nos.popen('cat CONFIGURATION').read()", "import-error", "secret refused"),
    "program_secret": (
        "import subprocess\ntry: subprocess.run(['cat', b'CONFIGURATION'])\nexcept OSError: pass",
        "secret",
        "airflow.cfg",
    ),
    "hidden_secret": (
        "import os\nos.chdir(os.path.dirname('CONFIGURATION'))\nassert os.popen('cat *.cfg; echo read').read() == 'read\\n'",
        "",
        "",
    ),
    "native_secret": (
        "import ctypes\nassert ctypes.CDLL(None).open(b'CONFIGURATION', 0) == -1",
        "",
        "",
    ),
    "environment_of_parent": (
        "import os\nopen(f'/proc/{os.getppid()}/environ').read()",
        "import-error",
        "secret refused",
    ),
    "environment_of_judge": (
        "import os\ntry: os.system('cat //proc/JUDGE/./environ >copy')\nexcept OSError: pass",
        "secret",
        "/environ",
    ),
    "hidden_environment_of_judge": (
        "import os\nassert 'SESAME' not in os.popen('cd /proc; cat JUDGE/environ').read()",
        "",
        "",
    ),
    "network": (
        "import urllib.request\nurllib.request.urlopen('http://203.0.113.7:81/', timeout=5)",
        "import-error",
        "network refused",
    ),
    "quiet_network": (
        "import socket\ntry: socket.create_connection(('127.0.0.1', PORT), timeout=5)\nexcept OSError: pass",
        "network",
        "127.0.0.1:",
    ),
    "shell_network": (
        "import os\nos.system('bash -c \"exec 3<>/dev/tcp/127.0.0.1/PORT\"')",
        "network",
        "a socket (by bash), which was refused",
    ),
    "quiet_socket": (
        "import socket\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))\nexcept OSError: pass",
        "network",
        "a socket, which was refused",
    ),
    "native_socket": (
        "import ctypes\nassert ctypes.CDLL(None).socket(2, 1, 0) == -1",
        "network",
        "a socket (by native code)",
    ),
    "kills_parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "import-error", "PermissionError"),
    "kills_judge": ("import os, signal\nos.kill(JUDGE, signal.SIGTERM)", "import-error", "PermissionError"),
    "kills_all": ("import ctypes\nctypes.CDLL(None).kill(-1, 9)", "", ""),
    "writes_result": (
        "import os\nfor one in os.listdir('/proc/self/fd'):\n  try: os.write(int(one), b'{\"dags\": 1}')\n  except OSError: pass",
        "crash",
        "",
    ),
    "closes_all": ("import os\nos.closerange(0, 4096)", "crash", ""),
    # What the warm process waits with is not shared: it would be told of what never happened, and wait for ever.
    "shared_epoll": (
        """
import os, select
r, w = os.pipe()
os.write(w, b'x')
copies = []
for one in range(3, 16):
    for n in range(3, 16):
        try:
            if not os.path.exists(f'/proc/self/fd/{n}'): os.dup2(r, n)
            copies.append(select.epoll.fromfd(one))
            copies[-1].register(n)
        except OSError: pass
""",
        "",
        "",
    ),
    "descriptors": (
        "import os\nseen = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')]\nassert sum('socket' in one for one in seen) == 1 and not any('anon_inode' in one for one in seen), seen",
        "",
        "",
    ),
    "asks_nonsense": (RAW + "send([float('inf'), {'type': 'GetVariable', 'key': 'a'}, None])", "crash", "no question"),
    "asks_deep": (RAW + "send_bytes(b'\\x91' * 20000 + b'\\x01')", "crash", "no question"),
    "asks_unread": (
        RAW + "import time\nfor _ in range(330): send([1, {'type': 'GetVariable', 'key': 'a'}, None])\ntime.sleep(60)",
        "time-out",
        "killed",
    ),
    "asks_much": (
        RAW + "while True: send([1, {'type': 'GetVariable', 'key': 'a'}, None]); comms.recv(4096)",
        "crash",
        "more than 10,000 questions",
    ),
    "hides_much": (
        RAW
        + "for _ in range(99): send([1, {'type': 'MaskSecret', 'value': [f'{n:07}' for n in range(120000)]}, None]); comms.recv(4096)",
        "crash",
        "or values to hide",
    ),
    "asks_for_nothing": (
        "from airflow.sdk import Variable\nassert Variable.get('', default=None) is None",
        "",
        "",
    ),
    "forges_result": (
        FORGE
        + "forge(json.dumps({'dags': [], 'errors': {}, 'warnings': [], 'opened': [], 'duration_s': 'x', 'imports': {}, "
        "'repeated': [], 'touched': [], 'unclear': [], 'threads': [], 'attempts': [], 'sockets': 0, 'parts': {}}))",
        "crash",
        "without a result",
    ),
    "forges_deep": (FORGE + "forge('[' * 50000)", "crash", "without a result"),
    "forges_infinity": (FORGE + "forge('{\"duration_s\": 1e999}')", "crash", "without a result"),
    "writes_to_airflow": (
        "from airflow.sdk import Variable\ntry: Variable.set('a', 'b')\nexcept Exception: pass",
        "airflow-write",
        "PutVariable a",
    ),
}


@pytest.fixture(scope="module")
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        yield server


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, listening: socket.socket) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "tree"
    root.mkdir()
    (root.parent / "home").mkdir()
    (root.parent / "home" / "airflow.cfg").write_text("[core]\nfernet_key = sesame\n")
    sane = {"a_sane": SANE, "m_sane": SANE, "z_sane": SANE}
    for name, text in {**{name: enemy[0] + DAG for name, enemy in ENEMIES.items()}, **sane}.items():
        values = {"DAG_ID": name, "NEIGHBOUR": root / "a_sane.py", "TREE": root, "JUDGE": os.getpid()}
        values["CONFIGURATION"] = root.parent / "home" / "airflow.cfg"
        values["PORT"] = listening.getsockname()[1]
        filled = re.sub("|".join(values), lambda found: str(values[found[0]]), text)  # noqa: B023
        (root / f"{name}.py").write_text("# airflow dag\n" + filled)
    return root


@pytest.fixture(scope="module")
def judged(tree: Path) -> Iterator[tuple[Verdict, dict[str, str], Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESAME", "open")
        patch.setenv("AIRFLOW_CONFIG", str(tree.parent / "home" / "airflow.cfg"))
        scratch = tree.parent / "scratch"
        scratch.mkdir()
        before = {path.name: path.read_text() for path in tree.iterdir()}
        with ForkServer(Answers(), limits=LIMITS, scratch=scratch) as server:
            verdict = judge(Subject(revision="r", root=tree), server)
        yield verdict, before, scratch


def test_every_file_is_judged_and_the_sane_ones_pass(judged: tuple[Verdict, dict[str, str], Path]) -> None:
    verdict, before, _ = judged
    assert verdict.total == verdict.imported == len(before)
    assert [finding for finding in verdict.findings if finding.file and "sane" in finding.file] == []
    assert {dag.dag_id for dag in verdict.dags} >= {"a_sane", "m_sane", "z_sane"}
    assert {len(dag.tasks) for dag in verdict.dags if "sane" in dag.dag_id} == {1}


@pytest.mark.parametrize("name", ENEMIES)
def test_an_enemy_costs_its_own_file_one_finding(name: str, judged: tuple[Verdict, dict[str, str], Path]) -> None:
    _, rules, words = ENEMIES[name]
    found = [finding for finding in judged[0].findings if finding.file == f"{name}.py"]
    if rules:
        assert len(found) <= 1, found
        assert (found[0].rule if found else "") in rules.split("|"), found
        assert words in (found[0].message if found else ""), found
    else:
        assert found == []
        assert name in {dag.dag_id for dag in judged[0].dags}


def test_nothing_is_left_in_the_tree_on_disk_or_running(
    tree: Path, judged: tuple[Verdict, dict[str, str], Path]
) -> None:
    _, before, scratch = judged
    assert {path.name: path.read_text() for path in tree.iterdir()} == before
    assert list(scratch.iterdir()) == []
    assert not Path(tempfile.gettempdir(), "airlock-hostile").exists()
    assert list(Path("/dev/shm").glob("airlock-hostile*")) == []
    assert psutil.Process().children(recursive=True) == []
    assert threading.active_count() == 1


def test_nobody_reached_the_network(listening: socket.socket, judged: tuple[Verdict, dict[str, str], Path]) -> None:
    with pytest.raises(TimeoutError):
        listening.accept()


def test_what_one_file_leaves_running_is_not_blamed_on_or_hidden_by_another(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"daemon_{number}.py").write_text("# airflow dag\n" + ENEMIES["daemon"][0])
    with ForkServer(Answers(), limits=Limits(parallel=2)) as server:
        verdict = judge(Subject(revision="r", root=tmp_path), server)
    assert sorted((finding.rule, finding.file) for finding in verdict.findings) == [
        ("left-running", f"daemon_{number}.py") for number in range(6)
    ]


def test_a_deployment_may_allow_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / "one.py").write_text(
            f"import socket\nsocket.create_connection(('127.0.0.1', {port})).close()" + DAG.replace("DAG_ID", "one")
        )
        with ForkServer(Answers(), limits=Limits(network="allow")) as gate:
            verdict = judge(Subject(revision="r", root=tmp_path), gate)
        server.settimeout(5)
        server.accept()[0].close()
    assert [(finding.rule, finding.severity, finding.line) for finding in verdict.findings] == [
        ("network", "warning", 2)
    ]


def test_a_validation_that_takes_too_long_tells_which_files_were_not_imported(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"slow_{number}.py").write_text("import time  # airflow dag\ntime.sleep(60)")
    with ForkServer(Answers(), limits=Limits(file_s=2, total_s=1, parallel=1)) as server:
        verdict = judge(Subject(revision="r", root=tmp_path), server)
    assert verdict.total == len(verdict.findings) == 6
    assert "not started: the validation has taken more than 1 s" in verdict.findings[-1].message


def test_the_scratch_may_lie_in_shared_memory(tmp_path: Path) -> None:
    (tmp_path / "sane.py").write_text(SANE.replace("DAG_ID", "sane"))
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as place,
        ForkServer(Answers(), scratch=Path(place)) as server,
    ):
        assert judge(Subject(revision="r", root=tmp_path), server).findings == ()


def test_questions_of_one_file_keep_no_other_one_waiting(tmp_path: Path) -> None:
    asks = (
        RAW + "import time\nfor _ in range(330): send([1, {'type': 'GetVariable', 'key': 'a'}, None])\ntime.sleep(60)"
    )
    (tmp_path / "a.py").write_text("# airflow dag\n" + asks)
    (tmp_path / "z.py").write_text(
        "import time\nfrom airflow.sdk import Variable\ntime.sleep(0.5)\nstarted = time.monotonic()\n"
        "for _ in range(20): Variable.get('b', default=None)\nassert time.monotonic() - started < 2\n"
        + DAG.replace("DAG_ID", "z")
    )
    with ForkServer(Answers(), limits=Limits(file_s=6, parallel=2)) as server:
        verdict = judge(Subject(revision="r", root=tmp_path), server)
    assert [(finding.rule, finding.file) for finding in verdict.findings] == [("time-out", "a.py")]


HIDES = """
from airflow.sdk.log import mask_secret
for value in ("No module named", "runtime-variable values", "Error", "opensesame"): mask_secret(value)
"""


def test_what_one_file_hides_changes_what_is_said_of_no_other(tmp_path: Path) -> None:
    files = {
        "a.py": HIDES,
        "b.py": HIDES + "raise ValueError('opensesame')\n",
        "y.py": "import opensesame_client\n",
        "z.py": "from datetime import date, datetime\nfrom airflow.sdk import DAG\n"
        "with DAG('z', description=str(datetime.combine(date.today(), datetime.min.time()))):\n    pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text("# airflow dag\n" + text)
    cache = tmp_path.parent / "cache"
    for _ in range(2):
        with ForkServer(Answers(), limits=Limits(parallel=1)) as server:
            verdict = judge(Subject(revision="r", root=tmp_path), server, cache=cache)
        told = {(finding.file, finding.rule): finding.message for finding in verdict.findings}
        assert told.keys() == {("b.py", "import-error"), ("y.py", "missing-package"), ("z.py", "version-inflation")}
        assert told["b.py", "import-error"] == "Value***: ***"
        assert "No module named 'opensesame_client'" in told["y.py", "missing-package"]
        assert "'opensesame'" not in "".join(path.read_text() for path in cache.glob("*.json"))
