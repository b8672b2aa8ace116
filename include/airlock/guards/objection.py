"""What a guard has to say against publishing a revision that passed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Objection:
    """Why a revision should not go live by itself. ``until`` is the ISO 8601 time at which the objection may end by
    itself; without it only a person can overrule it.
    """

    guard: str
    message: str
    until: str = ""
