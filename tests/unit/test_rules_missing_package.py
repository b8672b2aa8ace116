from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import observed, outcome

from airlock.validate.rules import import_error, missing_package


def error(module: str) -> dict[str, str]:
    return {"etl.py": f"Traceback (most recent call last):\nModuleNotFoundError: No module named '{module}'"}


@pytest.mark.parametrize("text", ["KeyError: 'pandas'", "ImportError: cannot import name 'a' from 'pandas'"])
def test_other_errors_give_nothing(tmp_path: Path, text: str) -> None:
    assert list(missing_package.find(observed(tmp_path, outcome(errors={"etl.py": text})))) == []


@pytest.mark.parametrize("place", ["shared/tables.py", "shared.py"])
def test_a_module_of_the_repository_is_no_package(tmp_path: Path, place: str) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("")
    seen = observed(tmp_path, outcome(errors=error("shared")), folder=tmp_path / "dags")
    assert list(missing_package.find(seen)) == []
    (finding,) = import_error.find(seen)
    assert "import root" in finding.hint


def test_a_module_that_an_installed_package_lacks_is_no_missing_package(tmp_path: Path) -> None:
    assert list(missing_package.find(observed(tmp_path, outcome(errors=error("pandas.frames"))))) == []


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("pandas", "pandas"),
        ("yaml", "pyyaml"),
        ("great_expectations", "great-expectations"),
        ("google.cloud.bigquery", "google-cloud-bigquery"),
        ("airflow.providers.google", "apache-airflow-providers-google"),
        ("airflow.providers.cncf", "apache-airflow-providers-cncf"),
        ("airflow.providers.apache.spark", "apache-airflow-providers-apache-spark"),
        ("airflow.providers.google.cloud.operators.bigquery", "apache-airflow-providers-google"),
    ],
)
def test_the_package_is_named(tmp_path: Path, module: str, package: str) -> None:
    seen = observed(tmp_path, outcome(errors=error(module)))
    (finding,) = missing_package.find(seen)
    assert (finding.rule, finding.file) == ("missing-package", "etl.py")
    assert finding.message == f"No module named '{module}': the package {package} is not installed"
    assert f"add {package}" in finding.hint
    assert list(import_error.find(seen)) == []


def test_the_nearest_installed_package_is_named(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome(errors=error("panda")), installed={"pandas": "2.3.1"})
    (finding,) = missing_package.find(seen)
    assert finding.message.endswith("is not installed; the nearest that is: pandas 2.3.1")


def test_an_installed_provider_that_lacks_the_module_is_not_missing(tmp_path: Path) -> None:
    installed = {"apache-airflow-providers-standard": "1.21.0"}
    seen = observed(tmp_path, outcome(errors=error("airflow.providers.standard.operators.bsh")), installed=installed)
    assert list(missing_package.find(seen)) == []
    assert len(list(import_error.find(seen))) == 1


def test_a_name_that_no_file_can_have_is_a_finding_like_any_other(tmp_path: Path) -> None:
    error = f"ModuleNotFoundError: No module named '{'a' * 300}'\n"
    one = outcome(errors={"etl.py": error})
    assert [finding.rule for finding in missing_package.find(observed(tmp_path, one))] == ["missing-package"]
