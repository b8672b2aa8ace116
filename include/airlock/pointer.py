"""Reads a ref straight from the files of a repository: cheap enough for every second, without git."""

from __future__ import annotations

from pathlib import Path

DAMAGED = ".damaged"  # suffix of a mirror that is being, or was, replaced
LIVE = "refs/heads/live"
_SHA_LENGTHS = (40, 64)


def live(repository: Path) -> str | None:
    """Return the commit of ``refs/heads/live``, ``None`` when there is none."""
    return read(repository, LIVE)


def read(repository: Path, ref: str) -> str | None:
    """Return what a ref points to, ``None`` when there is none that can be read. Whether that object exists is not
    looked at.

    A ref is a small file that git replaces by rename, or a line of ``packed-refs`` (gitrepository-layout(5)). The
    file counts when both exist, and it is looked at again where git packs it in between. While a damaged mirror is
    being replaced there is none for a moment, and the damaged one tells.
    """
    if not repository.exists():
        repository = repository.with_suffix(DAMAGED)
    for _ in range(2):
        loose = _read(repository / ref)
        if loose is not None:
            sha = loose.strip()
            return sha if len(sha) in _SHA_LENGTHS else None  # what was packed before is older
        for line in (_read(repository / "packed-refs") or "").splitlines():
            sha, _, name = line.partition(" ")
            if name == ref:
                return sha
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
