"""Sees in the child what the import of a DAG file reads or looks for, so that its outcome can be used again.

Everything inside the tree becomes an input: files that were opened or asked about, also when they are missing, listings
of directories, modules that were searched for. What lies outside and can change is an input too, where it is a file;
the rest (a clock aside, which nobody sees) makes the outcome one that holds for this time only, with the reason.

Audit hooks cannot be removed again. A question about a file (``os.stat``) has no audit event, and that of ``os.open``
does not tell what a path is relative to, so these functions are replaced; ``os.environ`` and the search for modules
tell by themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from airlock.validate import installation

_abspath, _fspath, _sep, _frame = os.path.abspath, os.fspath, os.sep, sys._getframe  # noqa: SLF001
_join, _readlink = os.path.join, os.readlink
_ASKING = ("stat", "lstat", "access", "readlink", "open")
_ABILITIES = (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks)
_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
_PARSE_CONFIGURATION = "AIRFLOW__"  # part of the circumstances of every outcome
# Places outside the tree that are part of the environment, or the same everywhere.
_SETTLED = ("/dev/null", "/dev/zero", "/etc/localtime", "/etc/mime.types", "/usr/share/zoneinfo/", "/proc/self/")
# Audit events that mean that the result depends on something which cannot be looked at again.
_UNCLEAR = {
    "subprocess.Popen": "it starts a program",
    "os.system": "it starts a program",
    "os.exec": "it starts a program",
    "os.posix_spawn": "it starts a program",
    "os.spawn": "it starts a program",
    "os.fork": "it starts a process",
    "os.forkpty": "it starts a process",
    "pty.spawn": "it starts a program",
    "socket.connect": "it uses the network",
    "socket.sendto": "it uses the network",
    "socket.bind": "it uses the network",
    "socket.getaddrinfo": "it uses the network",
    "socket.gethostbyname": "it uses the network",
    "socket.gethostbyaddr": "it uses the network",
    "socket.gethostname": "it asks for the name of the machine",
    "sqlite3.connect": "it opens a database",
    "ctypes.dlopen": "it loads a native library",
    "os.putenv": "it changes the environment",
}


class Touched:
    """What was touched since ``watch``: ``inputs`` as pairs of kind and name, ``unclear`` as reasons.

    Kinds: ``file`` (also asked about, also missing), ``list`` (a directory), ``module`` (a path without suffix), all
    relative to the tree, ``outside`` (an absolute path), ``environ`` (a variable's name; ``*`` for all of them).
    """

    def __init__(self, root: str, scratch: str) -> None:
        self.root = root
        self.inputs: set[tuple[str, str]] = set()
        self.opened: set[str] = set()
        self.unclear: set[str] = set()
        self._prefix = root + _sep
        self._settled = (*installation.folders(), scratch + _sep, *_SETTLED)

    def path(self, kind: str, path: Any) -> None:
        """Note that a path was opened, listed or asked about."""
        if isinstance(path, int):
            if kind == "list":
                self._listed(path)
            return  # else it was opened before
        try:
            name = _abspath(_fspath(path))
        except (TypeError, ValueError, OSError):
            return
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if "\0" in name:
            return  # nothing can be there
        if name.startswith(self._prefix) or name == self.root:
            self.inputs.add((kind, name[len(self._prefix) :]))
        elif not name.startswith(self._settled):
            if kind == "list" or name.startswith(("/proc/", "/sys/", "/dev/", "/run/")):
                self.unclear.add(f"it reads {name}")
            else:
                self.inputs.add(("outside", name))

    def path_at(self, kind: str, path: Any, folder: int) -> None:
        """Note that a path, which may be relative to an open folder, was opened or asked about."""
        try:
            name = os.fsdecode(path)
            self.path(kind, name if name.startswith(_sep) else _join(_place_of(folder), name))
        except (TypeError, ValueError, OSError):
            self.unclear.add("it looks at files relative to a descriptor")

    def _listed(self, folder: int) -> None:
        try:
            self.path("list", _place_of(folder))
        except (ValueError, OSError):
            self.unclear.add("it lists a folder through a descriptor")

    def module(self, name: str, places: Any) -> None:
        """Note that a module was searched for in the places of a package, or on the search path."""
        last = name.rpartition(".")[2]
        try:
            for place in list(sys.path if places is None else places):
                folder = _abspath(place)
                if folder == self.root or folder.startswith(self._prefix):
                    self.inputs.add(("module", f"{folder}{_sep}{last}"[len(self._prefix) :]))
        except (TypeError, ValueError):
            self.unclear.add(f"it searches for {name} in its own way")

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See one audit event."""
        if event == "open":
            self.path("file", arguments[0])
            if isinstance(arguments[0], str) and arguments[0].startswith(self._prefix):
                self.opened.add(arguments[0][len(self._prefix) :])
        elif event in ("os.listdir", "os.scandir"):
            # The import system lists a directory to find one name in it: that is noted as a search for a module.
            if _frame(1).f_code.co_filename != _IMPORT_SYSTEM:
                self.path("list", "." if arguments[0] is None else arguments[0])
        elif event in _UNCLEAR and not (event == "ctypes.dlopen" and arguments[0] is None):
            self.unclear.add(_UNCLEAR[event])

    def told(self) -> dict[str, Any]:
        """Return what was touched, for the judge."""
        return {
            "opened": sorted(name for name in self.opened if not name.endswith(".pyc")),
            "touched": sorted(self.inputs),
            "unclear": sorted(self.unclear),
        }


def watch(root: str, scratch: str) -> Touched:
    """Return an account of what this process touches from now on."""
    touched = Touched(root, scratch)
    for name in _ASKING:
        _replace(name, touched)
    sys.meta_path.insert(0, _Finder(touched))
    _Environ.touched = touched
    os.environ.__class__ = _Environ
    sys.addaudithook(touched.hook)
    return touched


def _replace(name: str, touched: Touched) -> None:
    function = getattr(os, name)
    telling = _Telling(function, touched)
    for able in _ABILITIES:
        if function in able:
            able.add(telling)
    setattr(os, name, telling)


def _place_of(descriptor: int) -> str:
    place = _readlink(f"/proc/self/fd/{int(descriptor)}")
    if not place.startswith(_sep):
        raise ValueError(place)
    return place


class _Telling:
    """A function of ``os`` that notes the path that it is given.

    Like the built-in function, and unlike one of Python, it is no method of a class that has it as an attribute.
    """

    __module__ = "os"

    def __init__(self, function: Callable[..., Any], touched: Touched) -> None:
        self.__wrapped__, self._touched = function, touched
        self.__name__ = self.__qualname__ = function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, /, *arguments: Any, **options: Any) -> Any:
        path = arguments[0] if arguments else options.get("path")
        folder = options.get("dir_fd")
        if folder is not None:
            self._touched.path_at("file", path, folder)
        elif self.__name__ != "open":  # that has an audit event
            self._touched.path("file", path)
        return self.__wrapped__(*arguments, **options)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> str:
        return self.__name__


class _Finder:
    """Stands first among the finders of modules, finds none, and notes what is searched for."""

    def __init__(self, touched: Touched) -> None:
        self._touched = touched

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002
        self._touched.module(name, path)


class _Environ(type(os.environ)):  # type: ignore[misc]
    """``os.environ``, noting which variables are asked for. What Airflow reads for its configuration is not noted."""

    touched: Touched

    def __getitem__(self, key: str) -> str:
        name = str(key)
        if not name.startswith(_PARSE_CONFIGURATION):
            self.touched.inputs.add(("environ", name))
        return super().__getitem__(key)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        self.touched.inputs.add(("environ", "*"))
        return super().__iter__()  # type: ignore[no-any-return]
