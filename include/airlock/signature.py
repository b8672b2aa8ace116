"""Signatures: a source may ask that each revision is signed by a key that the deployment trusts.

Code without such a signature is not imported, let alone published, and no person in the UI can overrule that: whoever
can press *Approve* need not be who owns the keys.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from airlock import git
from airlock.errors import ConfigError, OperatorError
from airlock.mirror import Mirror
from airlock.process import run as run_process
from airlock.source import Source

_NOWHERE = "/dev/null"
_SAID = 300


def fault(mirror: Mirror, revision: str) -> str:
    """Return why a revision is not to be trusted; empty when it is, or when its source asks for no signature.

    Raises ``ConfigError`` when the keys of the source cannot be read, ``OperatorError`` when gpg is missing.
    """
    source = mirror.source
    if not source.gpg_keys and not source.ssh_signers:
        return ""
    with tempfile.TemporaryDirectory(prefix="airlock-keys-") as place:
        home = Path(place, "gpg")
        home.mkdir(mode=0o700)
        if source.gpg_keys:
            _import(source, home)
        signers = str(_readable(source, source.ssh_signers, "ssh_signers")) if source.ssh_signers else _NOWHERE
        done = git.run(
            mirror.path,
            *("-c", f"gpg.ssh.allowedSignersFile={signers}", "-c", "gpg.x509.program=false"),
            *("verify-commit", revision),
            check=False,
            env={"GNUPGHOME": str(home)},
        )
    if done.status == 0:
        return ""
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[-_SAID:]
    return f"its signature is not of a trusted key: {said}" if said else "it is not signed"


def _import(source: Source, home: Path) -> None:
    keys = _readable(source, source.gpg_keys, "gpg_keys")
    argv = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-autostart", "--import", str(keys)]
    try:
        done = run_process(argv, timeout_s=60, check=False)
    except OperatorError as error:
        raise OperatorError(
            f"source {source.name}: gpg_keys needs gpg where syncs run: {error.message}",
            hint="install gnupg there, or sign with SSH keys and set ssh_signers",
            reason=error.reason,
        ) from error
    if done.status != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ConfigError(
            f"source {source.name}: gpg_keys: {keys} has no keys to read: {said}",
            hint="gpg --export --armor KEY > FILE",
        )


def _readable(source: Source, name: str, setting: str) -> Path:
    path = Path(name)
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"source {source.name}: {setting}: {name} cannot be read: {error.strerror}",
            hint="the workers that run syncs need the file",
        ) from error
    return path
