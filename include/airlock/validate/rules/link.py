"""``link``: a symbolic link that would end the DAG processor, or that leaves the repository.

Airflow's discovery follows links to directories and stops with an error when it comes to a directory a second time;
in the DAG processor that error ends the process, for all bundles, and again after every restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airlock import folders
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.verdict import Finding, Severity

ID = "link"
SEVERITY: Severity = "error"
HINT = "commit the files themselves, or import them from a package below the DAG folder"
OPTIONS: tuple[Option, ...] = ()


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each link that leaves the repository, and for links to directories when discovery failed."""
    root = observed.root.resolve()
    for place, directories, files in folders.walk(observed.folder):
        for name in sorted([*directories, *files]):
            path = Path(place, name)
            if not path.is_symlink():
                continue
            target, real = path.readlink(), Path(os.path.realpath(path))
            if not real.is_relative_to(root):
                problem = "which is outside the repository"
            elif real.is_dir() and "recursive loop" in observed.discovery.error:
                problem = "a directory that is reached twice: this ends Airflow's DAG processor, for all DAGs"
            else:
                continue
            file = observed.relative(path)
            yield Finding(
                rule=ID, severity=SEVERITY, file=file, message=f"symbolic link to {target}, {problem}", hint=HINT
            )
