from __future__ import annotations

from pathlib import Path

from tests.observed import observed

from airlock.validate.outcome import Discovery
from airlock.validate.rules import discovery, link

_LOOP = Discovery(error="RuntimeError: Detected recursive loop when walking DAG directory")


def test_links_to_files_and_broken_links_inside_the_repository_are_fine(tmp_path: Path) -> None:
    (tmp_path / "etl.py").touch()
    (tmp_path / "same.py").symlink_to("etl.py")
    (tmp_path / "broken.py").symlink_to("gone.py")
    assert list(link.find(observed(tmp_path))) == []


def test_a_directory_that_is_reached_once_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "linked").symlink_to("../real")
    assert list(link.find(observed(tmp_path, folder=tmp_path / "dags"))) == []


def test_a_link_to_a_directory_is_blamed_when_discovery_failed_in_a_loop(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    (finding,) = link.find(observed(tmp_path, discovery=_LOOP))
    assert (finding.rule, finding.file) == ("link", "loop")
    assert "a directory that is reached twice" in finding.message


def test_a_link_that_leaves_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.py").symlink_to("/etc/hostname")
    (finding,) = link.find(observed(tmp_path))
    assert finding.message == "symbolic link to /etc/hostname, which is outside the repository"


def test_discovery_speaks_only_when_no_other_rule_explains_the_failure(tmp_path: Path) -> None:
    failed = Discovery(error=f"OSError: {tmp_path}/x cannot be read")
    (finding,) = discovery.find(observed(tmp_path, discovery=failed))
    assert finding.message == "the DAG files cannot be listed: OSError: x cannot be read"
    explained = Discovery(error="UnicodeDecodeError", ignore_files={".airflowignore": "UnicodeDecodeError"})
    assert list(discovery.find(observed(tmp_path, discovery=explained))) == []
    (tmp_path / "loop").symlink_to(".")
    assert list(discovery.find(observed(tmp_path, discovery=_LOOP))) == []
