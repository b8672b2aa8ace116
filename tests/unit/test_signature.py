"""Commits with real signatures, against keys that the deployment owns."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.upstream import Upstream

from airlock import signature
from airlock.errors import ConfigError, OperatorError
from airlock.mirror import Mirror
from airlock.source import parse

Fetch = Callable[[], str | None]


def with_keys(mirror: Mirror, **keys: Path) -> Mirror:
    return replace(mirror, source=replace(mirror.source, **{name: str(path) for name, path in keys.items()}))


def ssh_key(folder: Path, name: str) -> Path:
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    return key


def signed_by_ssh(upstream: Upstream, key: Path, content: str) -> str:
    upstream.git("config", "gpg.format", "ssh")
    upstream.git("config", "user.signingkey", str(key))
    upstream.git("config", "commit.gpgsign", "true")
    return upstream.push({"a.py": content})


@pytest.fixture
def signers(tmp_path: Path) -> tuple[Path, Path]:
    """A key, and the file that trusts it."""
    key = ssh_key(tmp_path, "dora")
    file = tmp_path / "signers"
    file.write_text(f"dora@example.com {key.with_suffix('.pub').read_text()}")
    return key, file


def test_a_source_without_keys_asks_for_no_signature(mirror: Mirror, upstream: Upstream, fetch: Fetch) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    assert signature.fault(mirror, revision) == ""


def test_only_a_commit_signed_by_a_trusted_ssh_key_is_trusted(
    mirror: Mirror, upstream: Upstream, fetch: Fetch, signers: tuple[Path, Path], tmp_path: Path
) -> None:
    key, file = signers
    trusting = with_keys(mirror, ssh_signers=file)
    unsigned = upstream.push({"a.py": "1"})
    signed = signed_by_ssh(upstream, key, "2")
    stranger = signed_by_ssh(upstream, ssh_key(tmp_path, "mallory"), "3")
    fetch()
    assert signature.fault(trusting, unsigned) == "it is not signed"
    assert signature.fault(trusting, signed) == ""
    assert "not of a trusted key" in signature.fault(trusting, stranger)


def test_a_commit_whose_content_was_exchanged_is_not_trusted(
    mirror: Mirror, upstream: Upstream, fetch: Fetch, signers: tuple[Path, Path]
) -> None:
    key, file = signers
    signed = signed_by_ssh(upstream, key, "1")
    other = upstream.git("rev-parse", f"{signed_by_ssh(upstream, key, '2')}^{{tree}}")
    raw = upstream.git("cat-file", "commit", signed)
    forged = raw.replace(upstream.git("rev-parse", f"{signed}^{{tree}}"), other) + "\n"
    (upstream.clone / "forged").write_text(forged)
    revision = upstream.git("hash-object", "-w", "-t", "commit", "forged")
    upstream.git("push", "--quiet", "--force", "origin", f"{revision}:refs/heads/main")
    fetch()
    assert "not of a trusted key" in signature.fault(with_keys(mirror, ssh_signers=file), revision)


def test_only_a_commit_signed_by_a_trusted_gpg_key_is_trusted(
    mirror: Mirror,
    upstream: Upstream,
    fetch: Fetch,
    tmp_path: Path,
    signers: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    for name in ("dora", "mallory"):
        generate = [
            "gpg",
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--quick-gen-key",
            f"{name}@example.com",
            "ed25519",
        ]
        subprocess.run(generate, check=True, timeout=60, capture_output=True)
    keys = tmp_path / "team.asc"
    exported = ["gpg", "--export", "--armor", "dora@example.com"]
    keys.write_bytes(subprocess.run(exported, check=True, timeout=60, capture_output=True).stdout)
    revisions = []
    for name in ("dora", "mallory"):
        upstream.git("config", "user.signingkey", f"{name}@example.com")
        upstream.git("config", "commit.gpgsign", "true")
        revisions.append(upstream.push({"a.py": name}))
    subprocess.run(["gpgconf", "--kill", "all"], check=False, timeout=60)
    fetch()
    trusting = with_keys(mirror, gpg_keys=keys)
    assert signature.fault(trusting, revisions[0]) == ""
    assert "not of a trusted key" in signature.fault(trusting, revisions[1])
    # The keyring of the user that runs Airlock trusts nobody, and neither does a file for the other kind.
    assert "not of a trusted key" in signature.fault(with_keys(mirror, ssh_signers=signers[1]), revisions[0])


def test_keys_that_cannot_be_read_are_an_error_of_the_deployment(
    mirror: Mirror, upstream: Upstream, fetch: Fetch, tmp_path: Path
) -> None:
    revision = upstream.push({"a.py": "1"})
    fetch()
    for setting in ("gpg_keys", "ssh_signers"):
        with pytest.raises(ConfigError, match=f"{setting}: .* cannot be read"):
            signature.fault(with_keys(mirror, **{setting: tmp_path / "nowhere"}), revision)
        with pytest.raises(ConfigError, match="no absolute path"):
            parse("dags", {"repo_url": "x", setting: "keys"}, path="bundle")
    (tmp_path / "empty").write_text("")
    with pytest.raises(ConfigError, match="has no keys to read"):
        signature.fault(with_keys(mirror, gpg_keys=tmp_path / "empty"), revision)


def test_without_gpg_the_source_and_the_way_out_are_named(
    mirror: Mirror, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.asc"
    keys.write_text("any")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperatorError, match="source dags: gpg_keys needs gpg where syncs run: gpg cannot be") as caught:
        signature.fault(with_keys(mirror, gpg_keys=keys), "0" * 40)
    assert (caught.value.reason, "ssh_signers" in caught.value.hint) == ("ProgramMissing", True)
