from __future__ import annotations

from pathlib import Path

from tests.observed import observed

from airlock.validate.outcome import Discovery
from airlock.validate.rules import ignore_file


def test_usable_ignore_files_give_nothing(tmp_path: Path) -> None:
    assert list(ignore_file.find(observed(tmp_path))) == []


def test_the_line_of_the_first_wrong_byte_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    (folder / "team").mkdir(parents=True)
    (folder / "team" / ".airflowignore").write_bytes(b"good\nb\xe4d\n")
    failed = Discovery(error="UnicodeDecodeError", ignore_files={"team/.airflowignore": "UnicodeDecodeError: 'utf-8'"})
    (finding,) = ignore_file.find(observed(tmp_path, folder=folder, discovery=failed))
    assert (finding.rule, finding.severity, finding.place) == ("ignore-file", "error", "dags/team/.airflowignore:2")
    assert "UnicodeDecodeError: 'utf-8'" in finding.message


def test_a_pattern_that_cannot_be_has_no_line(tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("!\n")
    failed = Discovery(error="x", ignore_files={".airflowignore": "GitIgnorePatternError: invalid"})
    (finding,) = ignore_file.find(observed(tmp_path, discovery=failed))
    assert finding.place == ".airflowignore"
