"""The truth check: what a lock gives on this very platform is what is installed here, nothing more and nothing less."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from packaging.pylock import Package, PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.utils import parse_wheel_filename

from airlock.errors import OperatorError
from airlock.lockfile import contents, origins
from airlock.lockfile.distributions import Distribution, canonical

_SHOWN = 12


def check(pylock: bytes, installed: Mapping[str, Distribution]) -> None:
    """Return when ``pylock`` selects exactly ``installed`` in this interpreter, with the kind of wheel that is here.

    Raises ``OperatorError`` (``LockMismatch``) that names every package that differs.
    """
    found = differences(pylock, installed)
    if found:
        more = f"\n- and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        listed = "".join(f"\n- {difference}" for difference in found[:_SHOWN])
        raise OperatorError(
            f"the lock does not describe this environment, so it is not published:{listed}{more}",
            hint="install what the lock would install, or reinstall the packages named above from the index",
            reason="LockMismatch",
        )


def differences(pylock: bytes, installed: Mapping[str, Distribution]) -> tuple[str, ...]:
    """Return one sentence for each package in which ``pylock``, selected here, and ``installed`` differ, by name."""
    try:
        lock = Pylock.from_dict(tomllib.loads(pylock.decode()))
        selected: dict[str, Package] = {package.name: package for package, _ in lock.select()}
    except (PylockSelectError, PylockValidationError, ValueError) as error:
        return (str(error),)
    found: list[str] = []
    for name in sorted({*selected, *installed}):
        package, here = selected.get(name), installed.get(name)
        if package is None:
            found.append(f"{name}: installed, but not in the lock")
        elif here is None:
            found.append(f"{name}: in the lock, but not installed")
        else:
            found.extend(f"{name}: {difference}" for difference in _package_differences(package, here))
    return tuple(found)


def _package_differences(package: Package, here: Distribution) -> Iterator[str]:
    if str(package.version) != canonical(here.version):
        yield f"installed is {here.version}, the lock has {package.version}"
        return
    wheels = package.wheels or []
    urls = [wheel.url or "" for wheel in wheels] + ([package.sdist.url or ""] if package.sdist else [])
    if not all(map(origins.is_public, urls)):
        yield "its files are only in a folder of this machine or on this very host, where nobody else can get them"
    if wheels and not any(contents.tags(here) == _tags(wheel) for wheel in wheels):
        tags = ", ".join(sorted(contents.tags(here))) or "no wheel at all"
        yield f"installed from {tags}, which the index does not have: built here, or by somebody else"


def _tags(wheel: PackageWheel) -> frozenset[str]:
    return frozenset(str(tag) for tag in parse_wheel_filename(wheel.filename)[3])
