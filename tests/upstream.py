"""A real upstream repository to push to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A real upstream: a bare repository and a clone to commit in."""

    url: str
    clone: Path

    def git(self, *args: str) -> str:
        """Run git in the clone and return what it printed."""
        done = subprocess.run(["git", *args], cwd=self.clone, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files of the clone; ``None`` removes one."""
        for name, content in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def push(self, files: Mapping[str, str | bytes | None], *, branch: str = "main") -> str:
        """Commit files, push them, and return the commit."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"change {', '.join(files) or 'nothing'}")
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def embed(self, path: str, url: str, commit: str) -> None:
        """Make a submodule of the clone, to be committed by the next push; its content need not be at hand."""
        name = f"submodule.{path}"
        self.git("config", "--file", ".gitmodules", f"{name}.path", path)
        self.git("config", "--file", ".gitmodules", f"{name}.url", url)
        (self.clone / path).mkdir(parents=True, exist_ok=True)  # as it is where nobody has fetched the content
        self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
