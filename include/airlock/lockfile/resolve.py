"""The question to the package index, asked through uv: every file of the installed versions, on every system."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock, PylockSelectError, PylockValidationError

from airlock import process, uv
from airlock.errors import CommandTimeout, OperatorError, TransientError

# The index and the ways to reach it are the operator's. Everything else that uv would read is not: a constraint, an
# override or a folder of wheels from somewhere on this machine would change what the lock says.
_KEPT = re.compile(
    r"PATH|HOME|TMPDIR|LANG|USER|LOGNAME|NETRC|XDG_CACHE_HOME|SSL_CERT_(FILE|DIR)|SSL_CLIENT_CERT|(https?|all|no)_proxy"
    r"|UV_((DEFAULT_|EXTRA_)?INDEX(_URL)?|INDEX_\w+_(USERNAME|PASSWORD)|CACHE_DIR|OFFLINE|HTTP_TIMEOUT|HTTP_RETRIES"
    r"|KEYRING_PROVIDER|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST)",
    re.IGNORECASE,
)
# A project's last wheels may follow its first ones days later (12 days were seen).
_LATE_WHEELS = timedelta(days=14)

_log = logging.getLogger(__name__)


def resolve(roots: Sequence[str], pins: Mapping[str, str], *, timeout_s: float = 300) -> Mapping[str, Any]:
    """Return the ``pylock.toml`` document that uv makes for ``roots`` with every version of ``pins`` fixed.

    The answer depends on the environment and on the index's past only: what was uploaded long after the newest of
    ``pins`` is not considered, so that the packages which only other systems need do not change from day to day.

    Raises ``TransientError`` (``IndexUnreachable``) when no index answers, ``OperatorError`` (``NoResolution``) when
    the index has no such set, and ``OperatorError`` (``ProgramMissing``) without uv.
    """
    answer = _ask(roots, pins, before=None, timeout_s=timeout_s)
    before = _horizon(answer)
    return answer if before is None else _ask(roots, pins, before=before, timeout_s=timeout_s)


def _ask(
    roots: Sequence[str], pins: Mapping[str, str], *, before: datetime | None, timeout_s: float
) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="airlock-lock-") as folder:
        # An empty folder is the working directory: uv reads the settings of a project around it.
        wanted, fixed = Path(folder, "roots.in"), Path(folder, "pins.txt")
        wanted.write_text("".join(f"{name}\n" for name in roots), encoding="utf-8")
        fixed.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()), encoding="utf-8")
        argv = [uv.program(), "pip", "compile", "--no-config", "--quiet", "--no-header", "--color", "never"]
        argv += ["--universal", "--format", "pylock.toml", "--python", sys.executable]
        argv += ["--constraints", fixed.name, wanted.name]
        if before is not None:
            argv += ["--exclude-newer", before.strftime("%Y-%m-%dT%H:%M:%SZ")]
        try:
            completed = process.run(argv, timeout_s=timeout_s, cwd=Path(folder), env=_environment(), check=False)
        except CommandTimeout as error:
            raise _unreachable(str(error)) from error
    if completed.status == 0:
        return tomllib.loads(completed.text)
    text = process.redact(completed.stderr.decode("utf-8", "replace")).strip()
    # Without an index uv also finds "no solution": because nothing could be fetched.
    if "No solution found" not in text or re.search(r"network|offline|connectivity", text, re.IGNORECASE):
        raise _unreachable(text)
    raise OperatorError(
        f"the package index has no set with the installed versions: {text}",
        hint="install versions that the index has, or set UV_DEFAULT_INDEX to an index that has the installed ones",
        reason="NoResolution",
    )


def _unreachable(text: str) -> TransientError:
    # The details have times and addresses in them, so they are for the log: the message gets published, where it must
    # not change from one try to the next.
    _log.warning("%s", text)
    return TransientError(
        "no package index answered",
        hint="let the deployment reach a package index (UV_DEFAULT_INDEX, HTTPS_PROXY), then trigger the lockfile DAG",
        reason="IndexUnreachable",
    )


def _horizon(answer: Mapping[str, Any]) -> datetime | None:
    """Return the time after which uploads are not considered; ``None`` when the index does not tell upload times."""
    try:
        chosen = list(Pylock.from_dict(answer).select())
    except (PylockSelectError, PylockValidationError):
        return None  # the truth check says what is wrong
    firsts = [min(_upload_times(package.sdist, *(package.wheels or ())), default=None) for package, _ in chosen]
    known = [first for first in firsts if first is not None]
    if not known or len(known) < len(firsts):
        return None
    # Counted from each project's first file, so that every architecture gets the same answer; but what is installed
    # here must be in it, however late it was uploaded.
    return max(max(known) + _LATE_WHEELS, *_upload_times(*(archive for _, archive in chosen)))


def _upload_times(*archives: object) -> list[datetime]:
    times = (getattr(archive, "upload_time", None) for archive in archives)
    return [time.astimezone(UTC) + timedelta(seconds=1) for time in times if isinstance(time, datetime)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
