"""What changes in packages from one environment to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

Kind = Literal["added", "removed", "upgraded", "downgraded", "changed"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One distribution that differs; an empty version means that it is not there."""

    kind: Kind
    name: str
    before: str
    after: str

    @property
    def line(self) -> str:
        """One line for a person."""
        return f"{self.kind} {self.name} {' to '.join(filter(None, [self.before, self.after]))}"


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Return the differences of two environments, each as versions by normalised name, in the order of the names."""
    return tuple(
        Change(kind=_kind(old, new), name=name, before=old, after=new)
        for name in sorted({*before, *after})
        if (old := before.get(name, "")) != (new := after.get(name, ""))
    )


def _kind(old: str, new: str) -> Kind:
    if not old or not new:
        return "removed" if old else "added"
    try:
        return "upgraded" if Version(old) < Version(new) else "downgraded"
    except InvalidVersion:
        return "changed"
