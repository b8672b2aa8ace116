"""Wheels made on the spot, real installations of them, and the lockfiles that describe those."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airlock import uv
from airlock.lockfile import artifact, contents, distributions, pylock
from airlock.lockfile.artifact import Artifact
from airlock.lockfile.manifest import Manifest, Problem

PYTHON = platform.python_version()


@dataclass(frozen=True, kw_only=True)
class Wheelhouse:
    """A folder of wheels."""

    root: Path

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        needs: Sequence[str] = (),
        tag: str = "py3-none-any",
        code: str = "value = 1\n",
        extras: Sequence[str] = (),
    ) -> Path:
        """Make a wheel with one module and one script."""
        module = name.replace("-", "_").lower()
        info = f"{module}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {need}" for need in needs] + [f"Provides-Extra: {extra}" for extra in extras]
        files = {
            f"{module}.py": code,
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{module} = {module}:value\n",
        }
        record = "".join(f"{path},sha256={_record_hash(text)},{len(text)}\n" for path, text in files.items())
        path = self.root / f"{module}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for inside, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(inside, text)
        return path

    def index(self) -> str:
        """Return the address of a package index (PEP 503) of all these wheels, as files of this machine."""
        simple = self.root / "simple"
        for path in self.root.glob("*.whl"):
            name = distributions.normalise(path.name.split("-")[0])
            page = simple / name / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            links = page.read_text() if page.exists() else "<!DOCTYPE html>\n"
            page.write_text(f'{links}<a href="{path.as_uri()}#sha256={_sha256(path)}">{path.name}</a>\n')
        return simple.as_uri()

    def install(self, target: Path, *names: str) -> Mapping[str, distributions.Distribution]:
        """Install distributions by name into an environment whose packages are in ``target``; return all of those."""
        prefix = target.with_name(f"{target.name}.prefix")
        argv = [uv.program(), "pip", "install", "--quiet", "--no-index", "--no-deps", "--reinstall"]
        argv += ["--find-links", str(self.root), "--python", sys.executable, "--prefix", str(prefix), *names]
        subprocess.run(argv, check=True, capture_output=True)
        if not target.is_symlink():
            target.symlink_to(next(prefix.glob("lib/python*/site-packages")))
        return distributions.installed([target])

    def answer(self, *paths: Path, markers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return what an index with these wheels would say about them, as uv tells it."""
        entries: dict[str, dict[str, Any]] = {}
        for path in paths:
            module, version = path.name.split("-")[:2]
            name = distributions.normalise(module)
            entry = entries.setdefault(name, {"name": name, "version": version, "wheels": []})
            if markers and name in markers:
                entry["marker"] = markers[name]
            url = f"https://files.example/{path.name}"
            entry["wheels"].append({"url": url, "hashes": {"sha256": _sha256(path)}})
        return {"lock-version": "1.0", "created-by": "uv", "packages": list(entries.values())}


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What uv found out about the Pythons of this machine, asked once."""
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture(autouse=True)
def isolated(uv_cache: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's or the user's settings, and no network."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_", "GIT_", "AIRLOCK_", "PYENV_")) or name == "VIRTUAL_ENV":
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    root = tmp_path / "wheelhouse"
    root.mkdir()
    return Wheelhouse(root=root)


@pytest.fixture
def make_lockfile(tmp_path: Path, wheelhouse: Wheelhouse):
    """Return a function that makes the true lockfile of an installation of wheels."""

    def make(*paths: Path, environment: str = "e", problem: Problem | None = None, **changes: Any) -> Artifact:
        # Unpacked is installed as far as a digest can tell: what an installer adds does not count.
        site = tmp_path / f"unpacked-{len(list(tmp_path.iterdir()))}"
        for path in paths:
            zipfile.ZipFile(path).extractall(site)
        installed = distributions.installed([site])
        manifest = Manifest(
            environment=environment,
            python=changes.pop("python", PYTHON),
            airflow=changes.pop("airflow", "3.3.2"),
            platform={"system": "Linux"},
            distributions={name: contents.of(distribution) for name, distribution in installed.items()},
            problem=problem,
            **changes,
        )
        pins = {name: distribution.version for name, distribution in installed.items()}
        files = {artifact.CONSTRAINTS: artifact.constraints(pins, python=PYTHON, airflow="3.3.2")}
        if problem is None:
            entries = pylock.packages(wheelhouse.answer(*paths), python=PYTHON, left_out=frozenset())
            files[artifact.PYLOCK] = pylock.render(entries, python=manifest.python, airflow="3.3.2")
            files[artifact.REQUIREMENTS] = artifact.requirements(entries, python=PYTHON, airflow="3.3.2")
        return artifact.assemble(manifest, files)

    return make


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
