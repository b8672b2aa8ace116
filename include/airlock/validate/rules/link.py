"""``link``: a symbolic link that would end the DAG processor, or that leaves the repository.

Airflow's discovery follows links to directories and stops with an error when it comes to a directory a second time; in the DAG
processor that error ends the process, for all bundles, and again after every restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from airlock.validate.outcome import Observed
from airlock.verdict import Finding

ID = "link"
SEVERITY = "error"
HINT = "commit the files themselves, or import them from a package below the DAG folder"


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each link that leaves the repository, and for links to directories when discovery failed."""
    root = os.path.realpath(observed.root)
    for place, directories, files in os.walk(observed.folder):
        for name in sorted([*directories, *files]):
            path = os.path.join(place, name)
            if not os.path.islink(path):
                continue
            target, real = os.readlink(path), os.path.realpath(path)
            if real != root and not real.startswith(root + os.sep):
                problem = "which is outside the repository"
            elif os.path.isdir(real) and "recursive loop" in observed.discovery.error:
                problem = "a directory that is reached twice: this ends Airflow's DAG processor, for all DAGs"
            else:
                continue
            file = os.path.relpath(path, observed.root)
            yield Finding(rule=ID, severity=SEVERITY, file=file, message=f"symbolic link to {target}, {problem}", hint=HINT)
