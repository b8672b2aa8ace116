"""Counts the processes of a process group, as the kernel lists them (Linux); elsewhere nothing is seen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_GROUP, _PARENT, _STATE, _PAGES = 2, 1, 0, 21  # positions after the name in /proc/<pid>/stat


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process that has not ended: its memory is what it has in RAM."""

    pid: int
    parent: int
    group: int
    name: str
    memory_bytes: int


def processes() -> Iterator[Process]:
    """Yield all processes that can be seen and have not ended."""
    with suppress(OSError):
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    head, _, rest = Path("/proc", entry, "stat").read_text().rpartition(")")
                    values = rest.split()
                    if values[_STATE] not in "ZX":
                        yield Process(
                            pid=int(entry),
                            parent=int(values[_PARENT]),
                            group=int(values[_GROUP]),
                            name=head.partition("(")[2],
                            memory_bytes=int(values[_PAGES]) * _PAGE_BYTES,
                        )


def memory_bytes(group: Sequence[Process], *, suspect_bytes: int) -> int:
    """Return the memory of processes together; where the plain sum is suspicious, what they share counts once."""
    plain = sum(process.memory_bytes for process in group)
    return plain if plain <= suspect_bytes else sum(_share(process) for process in group)


def _share(process: Process) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return process.memory_bytes


def threads() -> int:
    """Return how many threads the kernel has in all, those of other containers too; one small read."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0
