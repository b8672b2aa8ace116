from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import observed

from airlock.validate.rules import unmet_requirement

INSTALLED = {"pandas": "2.3.1", "my-tool": "1.0rc1", "odd": "1.0-local_build"}


def found(root: Path, text: str) -> list[tuple[int | None, str]]:
    (root / "requirements.txt").write_text(text)
    return [(one.line, one.message) for one in unmet_requirement.find(observed(root, installed=INSTALLED))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# comment\n\npandas\n",
        "pandas>=2,<3  # why\nMy_Tool==1.0rc1\n",
        "pandas[excel]>=2 --hash=sha256:abc\n",
        "absent; python_version < '3'\n",
        "-r more.txt\n--index-url https://example.com\n./local\ngit+https://example.com/x.git\nx @ https://a.b/x.whl\n",
        "-e .\n",
        "absent; os_name ~= 'x'\nabsent; extra == 'dev'\n",
        "odd>=1\n",
        "pandas>=2,\\\n  <3\n",
    ],
)
def test_what_is_met_or_names_no_package_gives_nothing(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


def test_without_the_file_there_is_nothing_to_meet(tmp_path: Path) -> None:
    assert list(unmet_requirement.find(observed(tmp_path, installed=INSTALLED))) == []


def test_absent_and_wrong_versions_are_told_with_their_lines(tmp_path: Path) -> None:
    assert found(tmp_path, "# ours\npandas<2\nrequests\n") == [
        (2, "pandas<2 is asked for; 2.3.1 is installed"),
        (3, "requests is not installed"),
    ]


def test_the_file_in_the_dag_folder_counts_too(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "requirements.txt").write_text("requests\n")
    (finding,) = unmet_requirement.find(observed(tmp_path, folder=tmp_path / "dags"))
    assert (finding.rule, finding.severity, finding.place) == (
        "unmet-requirement",
        "warning",
        "dags/requirements.txt:1",
    )
