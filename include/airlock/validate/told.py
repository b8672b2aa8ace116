"""What a child told of an import, made sure of: anybody could have written it, the DAG file too.

Source of the form: ``airlock.validate.child.import_file``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from airlock.validate.refused import MOST, Attempt
from airlock.verdict import Dag

_TEXT_CHARS, _TEXTS_CHARS, _NAME_CHARS = 1 << 15, 1 << 17, 4096


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The result of an import, as the child tells it."""

    dags: tuple[Dag, ...]
    parts: Mapping[str, Mapping[str, str]]
    repeated: tuple[str, ...]
    imports: Mapping[str, float]
    errors: Mapping[str, str]
    warnings: tuple[str, ...]
    duration_s: float
    attempts: tuple[Attempt, ...]
    sockets: int
    threads: tuple[str, ...]
    opened: tuple[str, ...]
    touched: tuple[tuple[str, str], ...]
    unclear: tuple[str, ...]


def imported(document: Mapping[str, Any] | None, file: str) -> Imported | None:
    """Return the result of importing the DAG file ``file``; ``None`` when it is not one.

    Of what nobody could read to its end a part is left out, and so are names that no file can have.
    """
    try:
        dags = [{**dag, "file": file} for dag in (document or {})["dags"]]
        one = msgspec.convert({**(document or {}), "dags": dags}, Imported)
    except (KeyError, TypeError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return replace(
        one,
        opened=tuple(filter(_is_inside, one.opened)),
        errors=dict(zip(one.errors, _few(one.errors.values()), strict=False)),
        warnings=_few(dict.fromkeys(one.warnings)),
        threads=_few(one.threads),
        attempts=tuple(replace(attempt, what=attempt.what[:_NAME_CHARS]) for attempt in one.attempts[:MOST]),
        touched=tuple((kind, name) for kind, name in one.touched if "\0" not in name),
    )


def failure(document: Mapping[str, Any] | None) -> str:
    """Return why the child could not import its file, in its own words; empty when it has none."""
    text = (document or {}).get("failed")
    return _shortened(text) if isinstance(text, str) else ""


def _is_inside(name: str) -> bool:
    """Tell whether a name is that of something in the tree."""
    return "\0" not in name and not os.path.normpath(name).startswith((os.sep, os.pardir))


def _few(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first of many texts, each without its middle where it is very long."""
    few, room = [], _TEXTS_CHARS
    for text in map(_shortened, texts):
        room -= len(text)
        if room < 0:
            break
        few.append(text)
    return tuple(few)


def _shortened(text: str) -> str:
    half = _TEXT_CHARS // 2
    return text if len(text) <= _TEXT_CHARS else f"{text[:half]}\n...\n{text[-half:]}"
