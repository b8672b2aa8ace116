from __future__ import annotations

from pathlib import Path

import pytest

from airlock.validate.rules.traceback_text import read

ROOT = Path("/tree")
_CHAIN = """Traceback (most recent call last):
  File "/tree/etl.py", line 4, in <module>
    load()
  File "/tree/shared/x.py", line 2, in load
    raise KeyError("a")
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/tree/etl.py", line 6, in <module>
    raise ValueError("no table\\nsecond line") from None
  File "/usr/lib/python3/json/decoder.py", line 355, in raw_decode
ValueError: no table
second line
"""


def test_the_last_exception_of_a_chain_is_the_message_with_all_its_lines() -> None:
    fault = read(_CHAIN, root=ROOT, file="etl.py")
    assert (fault.message, fault.line, fault.elsewhere) == ("ValueError: no table\nsecond line", 6, "")


def test_a_helper_of_the_repository_is_named_when_it_is_the_innermost() -> None:
    fault = read(_CHAIN.partition("During")[0], root=ROOT, file="etl.py")
    assert (fault.message, fault.line, fault.elsewhere) == ("KeyError: 'a'", 4, "shared/x.py:2")


def test_the_place_of_the_tree_is_not_shown() -> None:
    assert (
        read("OSError: /tree/data/x.yaml is empty", root=ROOT, file="etl.py").message == "OSError: data/x.yaml is empty"
    )


@pytest.mark.parametrize(("text", "message"), [("", "no message"), ("\n", "no message"), ("plain", "plain")])
def test_texts_that_are_no_traceback_are_shown_as_they_are(text: str, message: str) -> None:
    assert read(text, root=ROOT, file="etl.py").message == message


def test_a_group_of_exceptions_still_gives_a_message() -> None:
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/tree/etl.py", line 1, in <module>\n'
        "  | ExceptionGroup: two (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | ValueError: 1\n"
        "    +------------------------------------\n"
    )
    assert read(text, root=ROOT, file="etl.py").message


def test_a_message_of_many_empty_lines_is_read_at_once() -> None:
    assert read("ValueError: " + "\n" * 300_000 + "end", root=ROOT, file="etl.py").message == "end"
