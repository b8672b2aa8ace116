"""``pylock.toml`` (PEP 751): what the index answered, cut down to what makes this environment, in one fixed form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from packaging.markers import Marker
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from airlock.lockfile.origins import Origin, without_credentials

_SYSTEMS = (
    {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
)
_MACHINES = ("x86_64", "aarch64", "arm64", "AMD64", "ARM64")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class File:
    """One archive of a package: its file name, where it is, and its hashes by algorithm."""

    name: str
    url: str
    hashes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Package:
    """One entry of the lock. ``wheels`` are in the order of their names; ``sdist`` is there only where no wheel is."""

    name: str
    version: str
    marker: str = ""
    wheels: tuple[File, ...] = ()
    sdist: File | None = None
    direct: Origin | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """Every archive that an installer may take for this package."""
        return self.wheels if self.sdist is None else (self.sdist, *self.wheels)


def packages(answer: Mapping[str, Any], *, python: str, left_out: frozenset[str]) -> tuple[Package, ...]:
    """Return the entries of the index's answer that Python ``python`` (X.Y.Z) can use on any system, by name.

    Only wheels for this X.Y are kept: uv also lists those of later Pythons, and more of them appear every week.
    """
    usable = {(tag.interpreter, tag.abi) for tag in sys_tags()}
    found = (
        _package(entry, usable)
        for entry in answer["packages"]
        if entry["name"] not in left_out and _is_ever_true(entry.get("marker", ""), python)
    )
    return tuple(sorted(found, key=lambda package: (package.name, package.version, package.marker)))


def render(entries: Sequence[Package], *, python: str, airflow: str) -> bytes:
    """Return the bytes of ``pylock.toml``. Equal entries give equal bytes: no time, size, host or order of arrival."""
    lines = [
        'lock-version = "1.0"',
        f"requires-python = {_text(f'=={python}')}",
        'created-by = "airlock"',
    ]
    if not entries:
        lines.append("packages = []")
    for entry in sorted(entries, key=lambda package: (package.name, package.version, package.marker)):
        lines += ["", "[[packages]]", *_entry(entry)]
    lines += ["", "[tool.airlock]", f"airflow = {_text(airflow)}"]
    return ("\n".join(lines) + "\n").encode()


def _package(entry: Mapping[str, Any], usable: set[tuple[str, str]]) -> Package:
    wheels = sorted((_file(wheel) for wheel in entry.get("wheels", ())), key=lambda file: file.name)
    kept = tuple(
        wheel
        for wheel in wheels
        if any((tag.interpreter, tag.abi) in usable for tag in parse_wheel_filename(wheel.name)[3])
    )
    return Package(
        name=entry["name"],
        version=entry["version"],
        marker=entry.get("marker", ""),
        wheels=kept,
        sdist=_file(entry["sdist"]) if not kept and "sdist" in entry else None,
    )


def _file(record: Mapping[str, Any]) -> File:
    url = without_credentials(record.get("url", ""))
    # A file that has only a path was found in a folder of this machine; the empty URL makes the truth check refuse it.
    name = record.get("name") or (url or record.get("path", "")).rpartition("/")[2]
    return File(name=name, url=url, hashes=dict(sorted(record["hashes"].items())))


def _is_ever_true(marker: str, python: str) -> bool:
    if not marker:
        return True
    parsed = Marker(marker)
    fixed = {
        "implementation_name": "cpython",
        "implementation_version": python,
        "platform_python_implementation": "CPython",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
    }
    return any(
        parsed.evaluate({**fixed, **system, "platform_machine": machine})
        for system, machine in product(_SYSTEMS, _MACHINES)
    )


def _entry(package: Package) -> Iterator[str]:
    yield f"name = {_text(package.name)}"
    yield f"version = {_text(package.version)}"
    if package.marker:
        yield f"marker = {_text(package.marker)}"
    if package.direct is not None:
        yield from _direct(package.direct)
    if package.sdist is not None:
        yield f"sdist = {_archive(package.sdist)}"
    if package.wheels:
        yield "wheels = ["
        yield from (f"    {_archive(wheel)}," for wheel in package.wheels)
        yield "]"


def _direct(origin: Origin) -> Iterator[str]:
    if origin.kind == "vcs":
        fields = {
            "type": origin.vcs,
            "url": origin.url,
            "requested-revision": origin.revision,
            "commit-id": origin.commit,
            "subdirectory": origin.subdirectory,
        }
        yield f"vcs = {_table(fields)}"
    else:
        hashes = _table(dict(sorted(origin.hashes.items())))
        fields = {"url": origin.url, "subdirectory": origin.subdirectory}
        yield f"archive = {_table(fields, hashes=hashes)}"


def _archive(file: File) -> str:
    # PEP 751: the name is there only where the address does not end in it.
    name = "" if file.url.endswith(f"/{file.name}") else file.name
    return _table({"name": name, "url": file.url}, hashes=_table(file.hashes))


def _table(fields: Mapping[str, str], **tables: str) -> str:
    pairs = [f"{_key(name)} = {_text(value)}" for name, value in fields.items() if value]
    pairs += [f"{name} = {table}" for name, table in tables.items()]
    return f"{{ {', '.join(pairs)} }}"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
