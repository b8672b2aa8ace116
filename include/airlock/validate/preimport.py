"""Modules of installed packages that many DAG files import: imported once, in the warm process, for all of them.

Which those are is read from the files' text, in a child, because a parser can be made to crash. Each is tried in a
child first: one that fails there, starts threads (a fork would lose them), comes from elsewhere than an installed
package (its outcome depends on that file) or never comes back, is left to the files. A file that does not import such a
module does not see that it was imported.
"""

from __future__ import annotations

import ast
import importlib
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from airlock import folders
from airlock.validate import containment, installation, withheld

_TRIAL_S = 60.0
FEWEST_FILES = 3
_NOTABLE_S = 0.02
_AIRFLOW = "airflow"


def wanted(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the modules worth it: several files name them at their top, and no file of the tree may stand for them."""
    named: Counter[str] = Counter()
    for path in request["paths"]:
        with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            named.update(set(_imports(ast.parse(Path(path).read_bytes()))))
    own, kept = _names_in(request["root"]), withheld.in_force()
    return {
        "modules": sorted(
            name
            for name, files in named.items()
            if name.partition(".")[0] not in own
            and (files >= FEWEST_FILES or name.partition(".")[0] == _AIRFLOW)
            and name not in sys.modules
            and name not in kept
        )
    }


def load(modules: Iterable[str], scratch: str) -> dict[str, float]:
    """Import, in this process, the modules that a child could import without harm, and return the seconds of each.

    Those of Airflow are left out: the DAG processor too imports them once for all files, and keeps them from none.
    """
    kept = withheld.in_force()
    found = _tried([name for name in modules if name not in sys.modules and name not in kept], scratch)
    others = [name for name in found if name.partition(".")[0] != _AIRFLOW]
    for name in found:
        if name not in others:
            _import(name)
    if not others:
        return {}
    with kept.importing():
        return {name: _import(name) for name in others}


def _import(name: str) -> float:
    started = time.perf_counter()
    with suppress(Exception):
        importlib.import_module(name)
    return time.perf_counter() - started


def spared(files: Iterable[str], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the modules that these files would have spent time on, had they not been imported here before."""
    slow = {name: spent for name, spent in seconds.items() if spent >= _NOTABLE_S}
    named: set[str] = set()
    for file in files if slow else ():
        with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            named.update(_imports(ast.parse(Path(file).read_bytes())))
    return {name: spent for name, spent in slow.items() if name in named}


def _imports(tree: ast.Module) -> Iterable[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _names_in(root: str) -> set[str]:
    """Return all names under which something in the tree could be imported, whatever the search path becomes."""
    names: set[str] = set()
    for _, inside, files in folders.walk(Path(root)):
        names.update(inside)
        names.update(file.partition(".")[0] for file in files)
    return names


def _tried(modules: list[str], scratch: str) -> list[str]:
    if not modules:
        return []
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _try(modules, tell, scratch)
    os.close(tell)
    data, deadline = b"", time.monotonic() + _TRIAL_S
    while (left_s := deadline - time.monotonic()) > 0 and select.select([told], [], [], left_s)[0]:
        chunk = os.read(told, 1 << 16)
        if not chunk:
            break
        data += chunk
    os.close(told)
    for end in (os.killpg, os.kill):
        with suppress(OSError):
            end(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return data.decode().splitlines()


def _has_foreign(names: Iterable[str]) -> bool:
    files = (getattr(sys.modules[name], "__file__", None) for name in names)
    folders = installation.folders()
    return any(isinstance(file, str) and not file.startswith(folders) for file in files)


def _try(modules: Iterable[str], tell: int, scratch: str) -> None:
    with suppress(BaseException):
        containment.own_group()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        containment.restrict(scratch, has_network=False)
        threads = threading.active_count()
        for name in modules:
            with suppress(Exception):
                before = set(sys.modules)
                importlib.import_module(name)
                if _has_foreign(new := sys.modules.keys() - before):
                    for one in new:  # so that it is seen when the next one needs it too
                        del sys.modules[one]
                elif threading.active_count() == threads and len(os.listdir("/proc/self/task")) == threads:
                    os.write(tell, f"{name}\n".encode())
                    continue
            threads = max(threads, threading.active_count(), len(os.listdir("/proc/self/task")))
    os._exit(0)
