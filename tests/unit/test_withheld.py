"""What was imported for others is not seen by who does not import it, and is the same for who does."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from airlock.validate.withheld import Withheld

PACKAGES = {
    "wh_pack/__init__.py": "from wh_pack import eager\nVALUE = 1",
    "wh_pack/eager.py": "",
    "wh_pack/late.py": "COUNT = []",
    "wh_pack/deep/__init__.py": "",
    "wh_pack/deep/deepest.py": "import wh_pack.late",
    "wh_user.py": "import wh_pack.late\ndef use():\n    return wh_pack.late.COUNT",
    "wh_same/__init__.py": "",
    "wh_same/name.py": "def name(): pass",
    "wh_same/other.py": "import wh_same.name\nfrom wh_same.name import name\nwh_same.name = name",
}
NAMES = ("wa", "wa.b", "wa.b.c", "wa.d", "we", "we.f", "we.g", "wh")


def aside(what: Callable[[], Any]) -> Any:
    """Return what a function returns in a process of its own, which has these modules on its search path only."""
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            result = what()
        except BaseException:  # noqa: BLE001 - it is a process of its own
            result = {"failed": traceback.format_exc()}
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        data = told.read()
    os.waitpid(pid, 0)
    return json.loads(data)


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def imported(root: Path, *names: str) -> Withheld:
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    withheld = Withheld()
    with withheld.importing():
        for name in names:
            importlib.import_module(name)
    return withheld


def runs(tmp_path: Path, text: str, *names: str) -> None:
    """Run a text in a process that imported modules before."""
    root = lay(tmp_path, PACKAGES)

    def run() -> str:
        withheld = imported(root, *names)
        exec(text, {"withheld": withheld, "sys": sys, "importlib": importlib, "Withheld": Withheld})
        return "done"

    assert aside(run) == "done"


def test_a_module_is_not_seen_until_it_is_imported_and_then_is_the_same(tmp_path: Path) -> None:
    text = """
import wh_pack
assert wh_pack.eager and not hasattr(wh_pack, 'late') and 'wh_pack.late' not in sys.modules
before = withheld._kept['wh_pack.late']
spec, loader, file = before.__spec__, before.__loader__, before.__file__
import wh_pack.late
assert wh_pack.late is before is sys.modules['wh_pack.late']
assert (before.__spec__, before.__loader__, before.__file__) == (spec, loader, file)
assert before.__spec__ is spec and not spec._initializing and spec.loader is loader
"""
    runs(tmp_path, text, "wh_pack.late")


def test_who_needs_a_module_brings_it(tmp_path: Path) -> None:
    text = """
import wh_pack
assert not hasattr(wh_pack, 'late')
import wh_user
assert wh_user.use() is wh_pack.late.COUNT
"""
    runs(tmp_path, text, "wh_pack.late", "wh_user")


def test_packages_within_packages_come_with_what_they_need(tmp_path: Path) -> None:
    text = """
import wh_pack
assert not hasattr(wh_pack, 'deep')
path = withheld._kept['wh_pack.deep'].__path__
from wh_pack.deep import deepest
assert wh_pack.deep.deepest is deepest and wh_pack.late
assert wh_pack.deep.__path__ is path is wh_pack.deep.__spec__.submodule_search_locations
"""
    runs(tmp_path, text, "wh_pack.deep.deepest")


def test_a_question_for_a_module_does_not_import_it(tmp_path: Path) -> None:
    text = """
spec = importlib.util.find_spec('wh_pack.late')
import wh_pack
assert not hasattr(wh_pack, 'late')
assert spec.origin == withheld._kept['wh_pack.late'].__file__ and spec.has_location
assert spec.loader.get_source('wh_pack.late') == 'COUNT = []'
import wh_pack.late
other = importlib.util.module_from_spec(spec)
spec.loader.exec_module(other)
assert other is not wh_pack.late and other.COUNT is not wh_pack.late.COUNT
"""
    runs(tmp_path, text, "wh_pack.late")


def test_a_module_can_be_loaded_again_and_late(tmp_path: Path) -> None:
    text = """
import wh_pack.late
kept = wh_pack.late.COUNT
assert importlib.reload(wh_pack.late) is wh_pack.late and wh_pack.late.COUNT is not kept
spec = importlib.util.find_spec('wh_pack.deep')
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
assert lazy.__path__
"""
    runs(tmp_path, text, "wh_pack.deep.deepest")


def test_a_module_whose_name_came_to_stand_for_something_else_stays(tmp_path: Path) -> None:
    text = """
from wh_same import other
import wh_same.name
assert wh_same.name.__class__.__name__ == 'function'
"""
    runs(tmp_path, text, "wh_same.other")


def test_more_can_be_imported_later(tmp_path: Path) -> None:
    text = """
first = withheld._kept['wh_pack.late']
with withheld.importing():
    import wh_user
import wh_pack
assert not hasattr(wh_pack, 'late')
import wh_user
assert wh_pack.late is first
import wh_pack.deep.deepest
with withheld.importing():
    pass
assert wh_pack.late is first, 'who imported it outside goes on having it'
assert sys.meta_path.count(withheld) == 1
"""
    runs(tmp_path, text, "wh_pack.late")


def seen(imports: Sequence[str]) -> list[str]:
    """Import some, and return which submodules are attributes of the packages that came with them."""
    for name in imports:
        if name.startswith("from "):
            exec(name, {})
        else:
            importlib.import_module(name)
    return sorted(
        name
        for name in NAMES
        if (parent := name.rpartition(".")[0]) in sys.modules and hasattr(sys.modules[parent], name.rpartition(".")[2])
    )


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, str]:
    """Draw packages whose modules import those that come later in an order."""
    order = draw(st.permutations(NAMES))
    files = {}
    for place, name in enumerate(order):
        later = order[place + 1 :]
        wanted = draw(st.lists(st.sampled_from(later), unique=True, max_size=2)) if later else []
        # What is above a module is imported first.
        wanted = [one for one in wanted if not name.startswith(f"{one}.")]
        lines = [draw(st.sampled_from([f"import {one}", _from(one)])) for one in wanted]
        is_package = any(other.startswith(f"{name}.") for other in NAMES)
        files[name.replace(".", "/") + ("/__init__.py" if is_package else ".py")] = "\n".join(lines)
    return files


def _from(name: str) -> str:
    parent, _, last = name.rpartition(".")
    return f"from {parent} import {last}" if parent else f"import {name}"


some = st.lists(st.sampled_from(NAMES), unique=True, max_size=4)


@pytest.mark.parametrize("ways", [1, 2])
@given(graphs(), some, some, some)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_sees_the_same_whatever_was_imported_for_others(
    tmp_path_factory: pytest.TempPathFactory,
    ways: int,
    graph: dict[str, str],
    before: list[str],
    more: list[str],
    imports: list[str],
) -> None:
    root = lay(tmp_path_factory.mktemp("graph"), graph)

    def alone() -> list[str]:
        imported(root)
        return seen(imports)

    def after() -> list[str]:
        withheld = imported(root, *before)
        if ways > 1:
            with withheld.importing():
                for name in more:
                    importlib.import_module(name)
        return visible(seen(imports))

    def visible(names: list[str]) -> list[str]:
        return [name for name in names if name.rpartition(".")[0] in reached]

    def loaded() -> list[str]:
        imported(root)
        seen(imports)
        return [name for name in NAMES if name in sys.modules]

    reached = aside(loaded)
    if isinstance(reached, dict):  # these packages cannot be imported at all: they need each other
        return
    assert aside(after) == aside(alone)
