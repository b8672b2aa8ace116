"""How an environment differs from the one that a manifest describes."""

from __future__ import annotations

from collections.abc import Mapping

from airlock.lockfile.contents import Contents


def versions(expected: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each distribution that is missing, additional, or of another version, by name."""
    differences = []
    for name in sorted({*expected, *found}):
        if name not in found:
            differences.append(f"{name}: {expected[name]} is expected, none is installed")
        elif name not in expected:
            differences.append(f"{name}: {found[name]} is installed, none is expected")
        elif expected[name] != found[name]:
            differences.append(f"{name}: {expected[name]} is expected, {found[name]} is installed")
    return tuple(differences)


def bytes_of(
    expected: Mapping[str, Contents], found: Mapping[str, Contents], *, is_same_platform: bool
) -> tuple[str, ...]:
    """Return one sentence for each distribution of the same version whose files are others, by name.

    On another platform only the pure ones are compared: the others have a wheel for each platform.
    """
    return tuple(
        f"{name}: the same version {there.version}, but other files"
        for name, there in sorted(expected.items())
        if name in found
        and (here := found[name]).version == there.version
        and (is_same_platform or there.is_pure)
        and here.sha256 != there.sha256
    )
