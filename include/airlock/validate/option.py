"""Options of rules: how a value is read from ``airlock.toml``, and which of two values is the stricter one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. ``read`` returns the value to use or raises ``ValueError`` saying what the value must be.

    ``stricter`` takes the repository's and the deployment's value and returns what holds when both have one.
    """

    name: str
    default: Any
    read: Callable[[Any], Any]
    stricter: Callable[[Any, Any], Any]


def number(value: Any) -> float:
    """Read a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("must be a number above 0")
    return float(value)


def share(value: Any) -> float:
    """Read a share: a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return float(value)


def count(value: Any) -> int:
    """Read a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number, 0 or more")
    return value


def names(value: Any) -> tuple[str, ...]:
    """Read a list of names that is not empty."""
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError("must be a list of names")
    return tuple(value)


def choices(value: Any) -> tuple[tuple[str, ...], ...]:
    """Read a list of patterns of which one has to match; two such lists hold side by side."""
    return (names(value),)


def both(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what two lists ask for together."""
    return tuple(dict.fromkeys((*one, *other)))


def common(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return what two lists both allow; ``None`` says nothing."""
    if one is None or other is None:
        return one if other is None else other
    return tuple(item for item in one if item in other)


def lower(one: Any, other: Any) -> Any:
    """Return the lower of two limits; ``None`` is none."""
    return min((value for value in (one, other) if value is not None), default=None)
