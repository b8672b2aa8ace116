"""What others wrote cannot steer a terminal."""

from __future__ import annotations

import os

import pytest

from airlock.text import is_utf8, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\r\nlines\tand more", "two\\r\nlines\tand more"),
        ("invoice\u202egnp.exe", r"invoice\u202egnp.exe"),
        ("half \udcff", r"half \udcff"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("größer, 더 큰, 大きい\u3000👩\u200d💻", "größer, 더 큰, 大きい\u3000👩\u200d💻"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_name_of_odd_bytes_is_no_text() -> None:
    assert is_utf8("größer 👩\u200d💻.py")
    assert not is_utf8(os.fsdecode(b"gr\xf6\xdfer.py"))
