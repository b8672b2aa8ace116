from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate import inputs


def test_what_was_reached_through_a_link_has_its_own_name_too(tmp_path: Path) -> None:
    for name in ("shared/lib/helper.py", "dags/etl.py", "elsewhere.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dags" / "lib").symlink_to("../shared/lib")
    (tmp_path / "dags" / "one.py").symlink_to("../elsewhere.py")
    (tmp_path / "dags" / "out").symlink_to("/usr/lib")
    (tmp_path / "dags" / "loop").symlink_to("loop")
    read = ("dags/etl.py", "dags/lib/helper.py", "dags/one.py", "dags/out/x.py", "dags/loop/x.py")
    one = replace(
        outcome("dags/etl.py"),
        inputs=read,
        touched=(
            ("file", "flag"),
            ("file", "a\0b"),
            ("file", "__pycache__/etl.cpython-311.pyc"),
            ("list", "dags/lib"),
            ("list", ""),
            ("module", "lib"),
        ),
    )
    named = inputs.of(observed(tmp_path, one))["dags/etl.py"]
    own = ("shared/lib/helper.py", "elsewhere.py", "shared/lib/")
    assert set(named) == {*read, *own, "flag", "a\0b", "dags/lib/", "/"}
