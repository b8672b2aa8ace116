from __future__ import annotations

from airlock.rehearsal import packages


def test_equal_environments_differ_in_nothing() -> None:
    assert packages.compare({"a": "1"}, {"a": "1"}) == ()


def test_each_kind_of_difference_has_its_word() -> None:
    before = {"gone": "1", "older": "2.0", "newer": "1.9", "odd": "x", "same": "1"}
    after = {"come": "3", "older": "1.10", "newer": "1.10", "odd": "y", "same": "1"}
    assert [change.line for change in packages.compare(before, after)] == [
        "added come 3",
        "removed gone 1",
        "upgraded newer 1.9 to 1.10",
        "changed odd x to y",
        "downgraded older 2.0 to 1.10",
    ]
