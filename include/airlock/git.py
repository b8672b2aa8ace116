"""The one door to git: a scrubbed environment, always a timeout, and upstream failures told apart.

Two kinds of calls: ``run`` works on a repository of ours and sees no configuration of the user or the machine, so
that it does the same everywhere. ``run_upstream`` talks to somebody else's server and may use what the operator set
up for that (credential helpers, SSH configuration, proxies, certificates).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock import refusal, scratch
from airlock.errors import CommandFailed, CommandTimeout, StateError, UsageError
from airlock.process import Background, Completed, failure, run as run_process

_KEPT = re.compile(
    r"PATH|HOME|TMPDIR|LANG|LC_ALL|TZ|USER|LOGNAME|SSH_AUTH_SOCK|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|(https?|all|no)_proxy",
    re.IGNORECASE,
)
_KEPT_UPSTREAM = re.compile(
    r"GIT_SSH|GIT_SSH_COMMAND|GIT_SSL_\w+|GIT_HTTP_PROXY_AUTHMETHOD|GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)|GIT_ALLOW_PROTOCOL"
    r"|SSH_ASKPASS(_REQUIRE)?|DISPLAY|AIRFLOW_GIT_(USER|TOKEN)"
)
_ALWAYS = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Airlock",
    "GIT_AUTHOR_EMAIL": "airlock@localhost",
    "GIT_COMMITTER_NAME": "Airlock",
    "GIT_COMMITTER_EMAIL": "airlock@localhost",
}
# Hooks of a repository never run, git never starts maintenance behind our back, and a repository on a volume that
# several users share is still readable ("dubious ownership").
_SETTINGS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "gc.auto=0",
    "-c",
    "safe.directory=*",
    "-c",
    "advice.detachedHead=false",
)
STAGING = ".staging"  # beside repositories: where one is made before it gets its name
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,243}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
UPSTREAM_TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Ref:
    """One ref of a repository: its full name and the commit (or other object) it points to."""

    name: str
    sha: str


def run(
    repository: Path,
    *args: str,
    stdin: bytes = b"",
    timeout_s: float = 120,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run git on a bare repository of ours, with no configuration but its own. ``env`` adds variables.

    Raises ``CommandFailed`` (unless ``check`` is false) and ``CommandTimeout``.
    """
    variables = (
        _environment(_KEPT)
        | _IDENTITY
        | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        | dict(env or {})
    )
    argv = ["git", *_SETTINGS, f"--git-dir={repository}", *args]
    completed = run_process(argv, timeout_s=timeout_s, env=variables, stdin=stdin, check=False)
    if check and completed.status != 0:
        is_full = b"o space left on device" in completed.stderr
        raise failure(completed, hint="free space where the state directory lies" if is_full else "")
    return completed


def run_upstream(
    *args: str,
    subject: str,
    repository: Path | None = None,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a git command that talks to another server. ``env`` carries the credentials; ``subject`` names the source.

    It is killed after ``timeout_s`` seconds, 300 where none are given. Raises ``CommandTimeout``, and what
    ``refusal.error`` makes of the cause.
    """
    limit_s = UPSTREAM_TIMEOUT_S if timeout_s is None else timeout_s
    try:
        completed = run_process(
            _upstream_argv(repository, args), timeout_s=limit_s, env=_upstream_environment(env), check=False
        )
    except CommandTimeout:
        raise CommandTimeout(
            f"{subject}: {args[0]} was given up: upstream took more than {limit_s:g} s",
            hint="check the URL, the network and the proxy; the next sync tries again",
        ) from None
    return check_upstream(completed, subject=subject, command=args[0])


def start_upstream(*args: str, timeout_s: float, env: Mapping[str, str] | None = None) -> Background:
    """Start a git command that talks to another server beside the caller; give its end to ``check_upstream``."""
    return Background(_upstream_argv(None, args), timeout_s=timeout_s, env=_upstream_environment(env))


def check_upstream(completed: Completed, *, subject: str, command: str) -> Completed:
    """Return what a git command did that talked to another server, and raise as ``run_upstream`` does."""
    if completed.status != 0:
        raise refusal.error(completed.stderr, subject=subject, action=command)
    return completed


def _upstream_argv(repository: Path | None, args: Sequence[str]) -> list[str]:
    where = [] if repository is None else [f"--git-dir={repository}"]
    return ["git", *_SETTINGS, "-c", "protocol.ext.allow=never", *where, *args]


def _upstream_environment(env: Mapping[str, str] | None) -> dict[str, str]:
    return _environment(re.compile(f"{_KEPT.pattern}|{_KEPT_UPSTREAM.pattern}", re.IGNORECASE)) | dict(env or {})


def version() -> str:
    """Return what ``git --version`` says.

    Raises ``OperatorError`` when git is not installed.
    """
    return run_process(["git", "--version"], timeout_s=10, env=_environment(_KEPT)).text


def init_bare(path: Path) -> None:
    """Make an empty bare repository at ``path``, complete or not at all; one that is there already stays as it is."""
    if (path / "HEAD").exists():
        return
    with scratch.directory(path.with_name(STAGING)) as place:
        staging = place / path.name
        run(staging, "init", "--quiet", "--bare", "--initial-branch=live")
        run(staging, "config", "core.fsync", "all")
        run(staging, "config", "core.logAllRefUpdates", "true")
        try:
            staging.rename(path)
        except OSError as error:  # another process was faster, and its repository is as good
            if not (path / "HEAD").exists():
                raise StateError(f"{path} cannot be made: {error.strerror}") from error


def ls_remote(url: str, *, subject: str, timeout_s: float = 60, env: Mapping[str, str] | None = None) -> list[Ref]:
    """Return the branches and tags of a repository elsewhere, tags peeled to their commit, and ``HEAD`` first if it
    has one.

    Raises ``UpstreamError`` and ``CommandTimeout``.
    """
    text = run_upstream("ls-remote", "--", url, subject=subject, timeout_s=timeout_s, env=env).text
    refs: dict[str, str] = {}
    for line in text.splitlines():
        sha, _, name = line.partition("\t")
        if name == "HEAD" or name.startswith(("refs/heads/", "refs/tags/")):
            refs[name.removesuffix("^{}")] = sha  # the peeled line follows the tag's own and replaces it
    return [Ref(name=name, sha=sha) for name, sha in refs.items()]


def head_branch(url: str, *, subject: str, env: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the branch that ``HEAD`` of a repository elsewhere means, ``None`` if it does not say."""
    text = run_upstream("ls-remote", "--symref", "--", url, "HEAD", subject=subject, timeout_s=60, env=env).text
    match = re.match(r"ref: refs/heads/(\S+)\tHEAD", text)
    return match.group(1) if match else None


def check_ref_name(name: str, *, subject: str) -> str:
    """Return ``name`` when it can safely be given to git as a branch, tag or commit.

    Raises ``UsageError`` otherwise, for example when it begins with ``-``.
    """
    if not _REF.fullmatch(name) or ".." in name or "@{" in name or "//" in name or name.endswith((".lock", "/", ".")):
        raise UsageError(
            f"{subject}: {name!r} is not the name of a branch, tag or commit", hint="letters, digits and ._/@+- only"
        )
    return name


def is_sha(text: str) -> bool:
    """Tell whether ``text`` is a full object name."""
    return _SHA.fullmatch(text) is not None


def commit_of(repository: Path, expression: str) -> str | None:
    """Return the commit that a ref or object name of ``repository`` means, ``None`` if there is none.

    Raises ``CommandFailed`` when git could not look, and where the repository is damaged: that is not the same as
    nothing being there.
    """
    try:
        return run(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{expression}^{{commit}}").text
    except CommandFailed as error:
        if error.status == 1 and not refusal.is_damage(error.stderr):
            return None
        raise


def around(folder: Path) -> tuple[Path, Path] | None:
    """Return the top of the work tree that ``folder`` lies in and its git directory; ``None`` outside of any.

    Raises ``OperatorError`` when git is not installed.
    """
    argv = ["git", *_SETTINGS, "-C", str(folder), "rev-parse", "--show-toplevel", "--absolute-git-dir"]
    completed = run_process(argv, timeout_s=30, env=_environment(_KEPT), check=False)
    lines = completed.text.splitlines()
    return (Path(lines[0]), Path(lines[1])) if completed.status == 0 and len(lines) == 2 else None


def read_blob(repository: Path, name: str) -> bytes | None:
    """Return the content of a blob, ``None`` when ``name`` means no blob, or one that is not there any more.

    Raises ``CommandFailed`` when git could not look, and where what it finds is damaged.
    """
    try:
        return run(repository, "cat-file", "blob", name).stdout
    except CommandFailed as error:
        is_none = re.search(r"not a valid object|bad file|does not exist|bad object", error.stderr, re.IGNORECASE)
        if is_none and repository.exists() and "error: " not in error.stderr:  # which it says of a pack that is damaged
            return None
        raise


def write_blob(repository: Path, data: bytes) -> str:
    """Store ``data`` and return its object name."""
    return run(repository, "hash-object", "-w", "-t", "blob", "--stdin", stdin=data).text


def move_refs(repository: Path, lines: list[str]) -> None:
    """Carry out the lines of ``git update-ref --stdin`` as one transaction: all of them, or none.

    Raises ``CommandFailed`` when an expected old value is not there any more, or when a ref is locked.
    """
    script = "\n".join(["start", *lines, "prepare", "commit", ""])
    run(repository, "update-ref", "--create-reflog", "--stdin", stdin=script.encode())


def _environment(kept: re.Pattern[str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if kept.fullmatch(name)} | _ALWAYS
