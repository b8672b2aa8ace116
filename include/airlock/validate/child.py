"""What a forked child does: discover the DAG files of a folder, or import one of them, and tell the result.

Everything that the result needs is taken hold of before foreign code runs, so that a DAG file that replaces ``open`` or
``json.dumps`` harms nobody but itself.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from airlock import folders
from airlock.validate import containment, describe, import_times, preimport, refused, rehearsal, repeated, touched

_IGNORE_FILE = ".airflowignore"
_write, _dumps, _exit, _getpid, _clock = os.write, json.dumps, os._exit, os.getpid, time.monotonic
_threads, _main_thread = threading.enumerate, threading.main_thread()


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a warm process has made once for all its children. Time limits are this Airflow's, in seconds.

    ``spared`` are the modules that it has imported for them, with the seconds that each took. ``pid`` is its own.
    """

    import_timeout_s: float
    file_timeout_s: float
    comms: Any
    pid: int = field(default_factory=_getpid)
    spared: dict[str, float] = field(default_factory=dict)


def warm_up() -> Ready:
    """Import what every child needs, and go once through all that the import of a DAG file goes through.

    The second is most of what a child would do: it fills caches, and finishes imports that Airflow puts off.
    """
    from airflow.configuration import conf
    from airflow.dag_processing import processor
    from airflow.sdk.execution_time import comms, supervisor, task_runner  # noqa: F401
    from airflow.utils.file import list_py_file_paths  # noqa: F401
    from pydantic import TypeAdapter

    supervisor.block_orm_access()
    rehearsal.rehearse()
    return Ready(
        import_timeout_s=conf.getfloat("core", "dagbag_import_timeout"),
        file_timeout_s=conf.getfloat("dag_processor", "dag_file_processor_timeout"),
        comms=comms.CommsDecoder[processor.ToDagProcessor, processor.ToManager](
            socket=socket.socket(), body_decoder=TypeAdapter(processor.ToDagProcessor)
        ),
    )


def run(
    request: Mapping[str, Any], descriptors: list[int], ready: Ready, listeners: socket.socket, reading: int | None
) -> NoReturn:
    """Do one request in this freshly forked child, write the result as one JSON document, and end.

    ``reading`` are Landlock's rules for it; ``listeners`` takes the descriptor on which the kernel asks about it.
    """
    own = _getpid()
    try:
        _settle_in(request, output=descriptors[1], listeners=listeners, reading=reading, parent=ready.pid)
        if request["job"] == "import":
            document = import_file(request, descriptors, ready)
        else:
            document = discover(request) if request["job"] == "discover" else preimport.wanted(request)
        if _getpid() != own:
            _exit(0)  # the file forked, and this is the copy
        _tell(descriptors[0], document)
    except BaseException as error:  # noqa: BLE001 - a child tells whatever happened, and never goes on as its parent
        with suppress(BaseException):
            if _getpid() == own:
                _tell(descriptors[0], {"failed": f"{type(error).__name__}: {error}"})
        _exit(1)
    _exit(0)


def discover(request: Mapping[str, Any]) -> dict[str, Any]:
    """List the DAG files of a folder as the DAG processor does."""
    from airflow.configuration import conf
    from airflow.utils.file import list_py_file_paths

    folder = request["folder"]
    safe_mode = conf.getboolean("core", "dag_discovery_safe_mode")
    try:
        found = list_py_file_paths(folder, safe_mode=safe_mode)
        return {"files": sorted(str(Path(path).relative_to(folder)) for path in found)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it would end the DAG processor
        return {
            "error": f"{type(error).__name__}: {error}",
            "ignore_files": _bad_ignore_files(Path(folder), safe_mode=safe_mode),
        }


def import_file(request: Mapping[str, Any], descriptors: list[int], ready: Ready) -> dict[str, Any]:
    """Import one DAG file and serialise its DAGs as the DAG processor does."""
    import structlog
    from airflow.dag_processing import processor
    from airflow.sdk.execution_time import task_runner

    folder, path, root, scratch = request["folder"], request["path"], request["root"], request["scratch"]
    ready.comms.socket = socket.socket(fileno=descriptors[2])
    task_runner.SUPERVISOR_COMMS = ready.comms
    seen = touched.watch(root, scratch)
    refusals = refused.watch(root, scratch, has_network=request["has_network"], secrets=tuple(request["secrets"]))
    definitions = repeated.Definitions()
    imports = import_times.watch(root)
    _tell_of_sudden_ends()
    started = _clock()
    message = processor.DagFileParseRequest(file=path, bundle_path=Path(folder), bundle_name=request["bundle"])
    parsed = processor._parse_file(message, structlog.get_logger())  # noqa: SLF001 - what the DAG processor calls
    duration = _clock() - started
    if parsed is None:
        raise RuntimeError("Airflow returned no result")
    if not parsed.import_errors:
        _try_to_send(parsed, ready)
    told = seen.told()
    spared = preimport.spared([f"{root}/{name}" for name in told["opened"] if name.endswith(".py")], ready.spared)
    return {
        "dags": [describe.dag(serialised.data, root, scratch) for serialised in parsed.serialized_dags],
        "parts": {
            serialised.data["dag"]["dag_id"]: describe.parts(serialised.data, root, scratch)
            for serialised in parsed.serialized_dags
            if request.get("parts")
        },
        "repeated": definitions.repeated(root, path),
        "imports": import_times.slowest(imports | spared),
        "errors": {str(file): str(text) for file, text in (parsed.import_errors or {}).items()},
        "warnings": [
            str(warning.get("message", warning) if isinstance(warning, dict) else warning)
            for warning in parsed.warnings or []
        ],
        "duration_s": duration + sum(spared.values()),
        "attempts": refusals.told(),
        "sockets": refusals.sockets,
        "threads": [thread.name for thread in _threads() if thread is not _main_thread],
        **told,
    }


def _try_to_send(parsed: Any, ready: Ready) -> None:
    """Make the message with which the DAG processor hears of an import: what fails there ends it without a word."""
    try:
        ready.comms._make_frame(parsed).as_bytes()  # noqa: SLF001 - what sends it there
    except Exception as error:
        raise RuntimeError(f"Airflow cannot pass on what the file defines: {error}") from error


def _bad_ignore_files(folder: Path, *, safe_mode: bool) -> dict[str, str]:
    """Return the ignore files that Airflow cannot use, each tried alone in an empty folder."""
    from airflow.utils.file import list_py_file_paths

    bad = {}
    for place, _, names in folders.walk(folder):
        if _IGNORE_FILE in names:
            with tempfile.TemporaryDirectory() as alone:
                shutil.copy(Path(place, _IGNORE_FILE), alone)
                try:
                    list_py_file_paths(alone, safe_mode=safe_mode)
                except Exception as error:  # noqa: BLE001 - Airflow wraps some and lets others through
                    bad[str(Path(place, _IGNORE_FILE).relative_to(folder))] = f"{type(error).__name__}: {error}"
    return bad


def _tell_of_sudden_ends() -> None:
    """Have the place printed where native code fails or ``os._exit`` is called.

    Airflow's importer puts a Python handler on SIGSEGV, which makes a real fault repeat for ever; it is not let.
    """
    faulthandler.enable(file=2)
    set_handler = signal.signal

    def keep_fault_handler(number: int, handler: Any) -> Any:
        return signal.SIG_DFL if number == signal.SIGSEGV else set_handler(number, handler)

    def leave(status: int) -> NoReturn:
        faulthandler.dump_traceback(file=2)
        _exit(status)

    signal.signal = keep_fault_handler  # type: ignore[assignment]
    os._exit = leave


def _settle_in(
    request: Mapping[str, Any], *, output: int, listeners: socket.socket, reading: int | None, parent: int
) -> None:
    """Give this process outputs that go nowhere else, a place of its own, and limits."""
    containment.own_group()
    if os.getppid() != parent:  # it was killed before this process asked to be killed with it
        _exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, nowhere), (1, output), (2, output)):
        os.dup2(source, descriptor)
    os.chdir(request["scratch"])
    os.environ["TMPDIR"] = tempfile.tempdir = request["scratch"]
    sys.argv = ["airlock"]
    containment.limit(request["limits"])
    listener = containment.restrict(
        request["scratch"], has_network=request["has_network"], reading=reading, is_overseen=request["job"] == "import"
    )
    if listener is not None:
        socket.send_fds(listeners, [str(_getpid()).encode()], [listener])
        os.close(listener)
    listeners.close()
    if reading is not None:
        os.close(reading)


def _tell(descriptor: int, document: Mapping[str, Any]) -> None:
    data = _dumps(document).encode()
    while data:
        data = data[_write(descriptor, data) :]
