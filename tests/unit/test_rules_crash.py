from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import crash


def test_a_file_that_was_parsed_gives_nothing(tmp_path: Path) -> None:
    assert list(crash.find(observed(tmp_path, outcome(output="bye")))) == []


def test_the_place_of_a_native_fault_is_read_from_its_dump(tmp_path: Path) -> None:
    dump = (
        "about to fail\n"
        "Fatal Python error: Segmentation fault\n"
        "\n"
        "Current thread 0x1 (most recent call first):\n"
        '  File "/usr/lib/python3/ctypes/__init__.py", line 525 in string_at\n'
        f'  File "{tmp_path}/etl.py", line 4 in <module>\n'
    )
    one = outcome(how="crashed", detail="killed by SIGSEGV", output=dump)
    (finding,) = crash.find(observed(tmp_path, one))
    assert (finding.rule, finding.severity, finding.place) == ("crash", "error", "etl.py:4")
    assert finding.message == "importing the file ended the process: killed by SIGSEGV; it printed: about to fail"


def test_only_the_end_of_what_it_printed_is_shown(tmp_path: Path) -> None:
    one = outcome(how="crashed", detail="exit status 1, without a result", output="1\n2\n3\n4\n5\n")
    (finding,) = crash.find(observed(tmp_path, one))
    assert finding.message.endswith("it printed: 3 | 4 | 5")
