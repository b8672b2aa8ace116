"""What a clean-up removed, or would remove."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Names of what went, and the space that it took, in bytes; with ``dry_run`` it is still there."""

    names: tuple[str, ...]
    size: int
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Return the numbers; the names are in the log."""
        return {"removed": len(self.names), "bytes": self.size, "dry_run": self.dry_run}


def tell(removal: Removal, *, subject: str) -> Removal:
    """Log what went, and return it."""
    verb = "would be removed" if removal.dry_run else "removed"
    log.info("%s: %d %s, %.1f MB", subject, len(removal.names), verb, removal.size / 1e6)
    for name in removal.names[:_SHOWN]:
        log.info("  %s", name)
    if len(removal.names) > _SHOWN:
        log.info("  and %d more", len(removal.names) - _SHOWN)
    return removal


def size_of(paths: Iterable[Path]) -> int:
    """Return the space that files take and that their removal gives back: what has another link stays."""
    total = 0
    for path in paths:
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        total += found.st_blocks * 512 if found.st_nlink == 1 else 0
    return total
