"""Modules that the warm process has imported for DAG files, kept away from those that do not import them themselves.

An import leaves two traces: an entry in ``sys.modules``, and an attribute of the parent package. A file that says
``import xml`` and uses ``xml.sax`` works where another one has imported ``xml.sax`` before it in the same process. So
modules of which a file could see that are taken out of both; a finder hands them back when a file, or a module that it
imports, really imports them, together with all that their own import would have imported.

Private API that it uses, in the warm process only: ``_load_unlocked`` and ``_gcd_import`` of ``importlib._bootstrap``.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_bootstrap: Any = vars(importlib)["_bootstrap"]


class Withheld:
    """The modules that were imported within `importing`: a finder of modules, to stand first in ``sys.meta_path``."""

    def __init__(self) -> None:
        self._needs: dict[str, set[str]] = {}
        self._imported: set[str] = set()
        self._kept: dict[str, ModuleType] = {}
        self._is_importing = False

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Withhold what is imported meanwhile, where a file could see that it was."""
        for name in list(self._kept):
            self._hand_back(name)
        before = set(sys.modules)
        self._is_importing = True
        try:
            with self._seeing_imports():
                yield
        finally:
            self._is_importing = False
            self._imported |= sys.modules.keys() - before
            self._withhold()
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Return the module's own spec, with a loader that hands it back."""
        if name not in self._kept:
            return None
        own: Any = self._kept[name].__spec__
        loader: Any = _Loader(self, own)
        spec: Any = ModuleSpec(name, loader, origin=own.origin, loader_state=own.loader_state)
        spec.submodule_search_locations = own.submodule_search_locations
        spec.has_location, spec.cached = own.has_location, own.cached
        return spec  # type: ignore[no-any-return]

    def take(self, name: str) -> ModuleType | None:
        """Return a withheld module, and put back what its import needs; ``None`` if it is not, or no longer, withheld.

        The import system puts back the module itself.
        """
        if name not in self._kept:
            return None
        needed = _reach(name, self._needs, self._kept)
        if not self._is_importing:  # what needs it now is not known, so it stays from here on
            self._imported -= needed
        for one in needed - {name}:
            self._hand_back(one)
        return self._kept.pop(name)

    def _hand_back(self, name: str) -> None:
        module = sys.modules.setdefault(name, self._kept.pop(name))
        parent, _, last = name.rpartition(".")
        owner = self._kept.get(parent) or sys.modules.get(parent)
        if owner is not None:
            setattr(owner, last, module)

    def _withhold(self) -> None:
        names = {name for name in self._imported if name in sys.modules}
        reach = {name: _reach(name, self._needs, names) for name in names}
        telling = {name for name in names if _is_seen(name) and name not in reach.get(name.rpartition(".")[0], ())}
        while odd := [name for name in _closed(telling, reach) if not _can_be_handed_back(name)]:
            telling.difference_update(*(reach[name] for name in odd))
        chosen = _closed(telling, reach)
        for name in chosen:
            self._kept[name] = sys.modules.pop(name)
        for name, module in self._kept.items():
            parent, _, last = name.rpartition(".")
            owner = self._kept.get(parent) or sys.modules.get(parent)
            if _attributes(owner).get(last) is module:
                delattr(owner, last)

    @contextmanager
    def _seeing_imports(self) -> Iterator[None]:
        """Note, for each module, what is imported while its code runs, also what is there already."""
        running: list[str] = []
        load, get, statement = _bootstrap._load_unlocked, _bootstrap._gcd_import, builtins.__import__  # noqa: SLF001

        def note(*names: str) -> None:
            if running:
                self._needs.setdefault(running[-1], set()).update(names)

        def loading(spec: ModuleSpec) -> Any:
            note(spec.name)
            running.append(spec.name)
            try:
                return load(spec)
            finally:
                running.pop()

        def getting(name: str, package: str | None = None, level: int = 0) -> Any:
            module = get(name, package, level)
            note(module.__name__)
            return module

        def importing(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
            module = statement(name, globals, locals, fromlist, level)
            whole = f"{_package(globals or {}, level)}.{name}".strip(".") if level else name
            note(whole, *(f"{whole}.{one}" for one in fromlist or () if f"{whole}.{one}" in sys.modules))
            return module

        _bootstrap._load_unlocked, _bootstrap._gcd_import = loading, getting  # noqa: SLF001
        builtins.__import__ = importing
        try:
            yield
        finally:
            _bootstrap._load_unlocked, _bootstrap._gcd_import = load, get  # noqa: SLF001
            builtins.__import__ = statement


def in_force() -> Withheld:
    """Return the one of this process, a new one if there is none yet."""
    return next((finder for finder in sys.meta_path if isinstance(finder, Withheld)), None) or Withheld()


class _Loader:
    """Hands back a module as it is; in all else it is the module's own loader."""

    def __init__(self, withheld: Withheld, spec: ModuleSpec) -> None:
        self._withheld, self._spec, self._own = withheld, spec, spec.loader
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        self._module = self._withheld.take(spec.name)
        return self._module or self._own.create_module(spec)  # type: ignore[union-attr]

    def exec_module(self, module: ModuleType) -> None:
        if module is self._module:
            module.__spec__ = self._spec
        else:
            self._own.exec_module(module)  # type: ignore[union-attr]


def _reach(name: str, needs: Mapping[str, set[str]], among: Container[str]) -> set[str]:
    """Return a module, its parents, and all that these need, directly or not, as far as it is ``among`` some."""
    reached: set[str] = set()
    left = [name]
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += [one for one in (name.rpartition(".")[0], *needs.get(name, ())) if one in among]
    return reached


def _package(names: Mapping[str, Any], level: int) -> str:
    """Return the package that a relative import starts from, given the names of the module that has it."""
    own = names.get("__package__") or names.get("__name__", "").rpartition(".")[0]
    return str(own).rsplit(".", level - 1)[0]


def _closed(telling: set[str], reach: Mapping[str, set[str]]) -> set[str]:
    """Return the modules to withhold with some: all that need them. What is inside of a package needs the package."""
    chosen: set[str] = set()
    new = set(telling)
    while new:
        chosen |= new
        new = {name for name, needed in reach.items() if name not in chosen and not chosen.isdisjoint(needed)}
    return chosen


def _is_seen(name: str) -> bool:
    parent, _, last = name.rpartition(".")
    return parent in sys.modules and _attributes(sys.modules[parent]).get(last) is sys.modules[name]


def _attributes(module: Any) -> dict[str, Any]:
    return module.__dict__ if isinstance(module, ModuleType) else {}


def _can_be_handed_back(name: str) -> bool:
    """Tell whether an import would leave a module as it is: it is what its name says, and no other thing has it."""
    module, parent = sys.modules[name], name.rpartition(".")[0]
    spec = getattr(module, "__spec__", None)
    if type(module).__getattribute__ is not ModuleType.__getattribute__ or not isinstance(spec, ModuleSpec):
        return False
    is_whole = spec.name == name and spec.loader is not None and hasattr(spec.loader, "exec_module")
    return is_whole and (not parent or _is_seen(name))
