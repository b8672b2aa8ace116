"""Which installed distribution needs which: the roots to resolve from, and the needs that are not met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution as Metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from airlock.lockfile.distributions import Distribution, normalise

# A cycle has no natural root, and Airflow is one: core needs the standard provider, which needs Airflow.
_PREFERRED_ROOT = "apache-airflow"

Needs = Mapping[str, Sequence[Requirement]]


def needs(installed: Mapping[str, Distribution]) -> Needs:
    """Return what each distribution needs in this interpreter, the extras that others ask of it included."""
    declared = {name: tuple(_declared(distribution)) for name, distribution in installed.items()}
    extras: dict[str, set[str]] = {name: set() for name in declared}
    is_growing = True
    while is_growing:
        is_growing = False
        for name, requirements in declared.items():
            for requirement in _active(requirements, extras[name]):
                asked = extras.get(normalise(requirement.name), set(requirement.extras))
                if not requirement.extras <= asked:
                    asked |= requirement.extras
                    is_growing = True
    return {name: tuple(_active(requirements, extras[name])) for name, requirements in declared.items()}


def roots(needed: Needs) -> tuple[str, ...]:
    """Return the fewest distributions from which all others follow: one for each cycle, and each that nobody needs."""
    following = {name: _following(name, needed) for name in needed}
    chosen: set[str] = set()
    for name in needed:
        before = {other for other in needed if name in following[other]}
        if before <= following[name]:
            chosen.add(min(before | {name}, key=lambda member: (member != _PREFERRED_ROOT, member)))
    return tuple(sorted(chosen))


def conflicts(needed: Needs, installed: Mapping[str, Distribution]) -> tuple[str, ...]:
    """Return one sentence for each need that the installed set does not meet, as ``pip check`` finds them."""
    found = []
    for name, requirements in needed.items():
        who = f"{name} {installed[name].version}"
        for requirement in requirements:
            other = installed.get(normalise(requirement.name))
            if other is None:
                found.append(f"{who} needs {_shown(requirement)}, which is not installed")
            elif not _is_met(requirement, other.version):
                found.append(f"{who} needs {_shown(requirement)}, installed is {other.name} {other.version}")
    return tuple(found)


def _declared(distribution: Distribution) -> Iterator[Requirement]:
    for text in Metadata.at(distribution.records).requires or ():
        try:
            yield Requirement(text)
        except InvalidRequirement:  # an old package's fault; the resolver reads the index's copy of it anyway
            continue


def _active(requirements: Sequence[Requirement], extras: set[str]) -> Iterator[Requirement]:
    for requirement in requirements:
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *sorted(extras))):
            yield requirement


def _following(name: str, needed: Needs) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for requirement in needed[waiting.pop()]:
            other = normalise(requirement.name)
            if other in needed and other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _is_met(requirement: Requirement, version: str) -> bool:
    try:
        return bool(requirement.url) or requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _shown(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
