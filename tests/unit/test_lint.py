from __future__ import annotations

from pathlib import Path

import pytest
from tests.observed import outcome

from airlock import process
from airlock.errors import CommandFailed
from airlock.validate import lint

OLD = "from airflow import DAG\n\nwith DAG('etl', schedule_interval='@daily'):\n    pass\n"


def codes(root: Path, *files: str, **values: object) -> list[tuple[str, int, str]]:
    outcomes = lint.add(root, [outcome(file, **values) for file in files])
    return [(one.file, one.line, one.code) for each in outcomes for one in each.lint]


def test_a_file_of_today_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text("from airflow.sdk import DAG\n\nwith DAG('etl', schedule='@daily'):\n    pass\n")
    assert codes(tmp_path, "etl.py") == []


@pytest.mark.parametrize("text", ["def f(:\n", "import nothing_at_all\nx = undefined\n", "\x00"])
def test_ruff_is_asked_about_airflow_only(tmp_path: Path, text: str) -> None:
    (tmp_path / "etl.py").write_text(text)
    assert codes(tmp_path, "etl.py") == []


def test_removed_and_deprecated_api_is_found_in_files_and_their_modules(tmp_path: Path) -> None:
    for name in ("etl.py", "shared/old name.py", "unused.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(OLD)
    found = codes(tmp_path, "etl.py", inputs=("etl.py", "shared/old name.py", "data.yaml"))
    assert sorted(found) == [
        ("etl.py", 3, "AIR301"),
        ("etl.py", 3, "AIR311"),
        ("shared/old name.py", 3, "AIR301"),
        ("shared/old name.py", 3, "AIR311"),
    ]


def test_no_other_configuration_of_ruff_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUFF_OUTPUT_FILE", str(tmp_path / "elsewhere"))
    (tmp_path / "etl.py").write_text(OLD)
    (tmp_path / "ruff.toml").write_text('exclude = ["*"]\n[lint]\nignore = ["ALL"]\n')
    (tmp_path / ".gitignore").write_text("*\n")
    assert len(codes(tmp_path, "etl.py")) == 2


def test_a_replacement_is_advised(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text(OLD)
    (one,) = lint.add(tmp_path, [outcome("etl.py")])
    assert any("airflow.sdk" in message.advice for message in one.lint)


def test_files_that_are_gone_or_in_archives_are_left_out(tmp_path: Path) -> None:
    assert codes(tmp_path, "gone.py", "dags.zip") == []


def test_one_process_reads_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    run = process.run
    monkeypatch.setattr(process, "run", lambda *args, **kwargs: started.append(args) or run(*args, **kwargs))
    names = [f"dag_with_quite_a_long_name_{number}.py" for number in range(500)]
    for name in names:
        (tmp_path / name).write_text(OLD)
    assert len(codes(tmp_path, *names)) == 1000
    assert len(started) == 1


def test_comments_do_not_switch_it_off(tmp_path: Path) -> None:
    lines = OLD.splitlines()
    (tmp_path / "etl.py").write_text("# ruff: noqa\n" + "\n".join(f"{line}  # noqa" if line else "" for line in lines))
    assert {code for _, _, code in codes(tmp_path, "etl.py")} == {"AIR301", "AIR311"}


def test_a_file_that_ends_ruff_is_told_and_the_others_are_checked(tmp_path: Path) -> None:
    names = [f"etl_{number}.py" for number in range(5)]
    for name in names:
        (tmp_path / name).write_text(OLD)
    (tmp_path / "deep.py").write_text(f"x = {'+'.join('1' * 300_000)}\n")
    found = codes(tmp_path, *names, "deep.py")
    assert ("deep.py", 1, "AIR3") in found
    assert len(found) == 2 * len(names) + 1


def test_names_that_no_path_can_be_are_left_out(tmp_path: Path) -> None:
    assert codes(tmp_path, "a" * 300 + ".py", "a\0.py") == []


def test_a_ruff_that_fails_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etl.py").write_text(OLD)
    monkeypatch.setattr(lint, "_COMMAND", ("no-such-command",))
    with pytest.raises(CommandFailed, match="ruff"):
        lint.add(tmp_path, [outcome("etl.py")])
