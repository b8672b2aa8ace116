"""Log files stay bounded while their writer goes on."""

from __future__ import annotations

from pathlib import Path

from airlock.embedded import logs


def test_a_short_log_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 10)
    logs.bound(path, limit_bytes=10)
    assert path.read_bytes() == b"x" * 10
    assert not (tmp_path / "a.log.1").exists()


def test_a_long_log_moves_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        logs.bound(path, limit_bytes=10)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"old\n" * 10


def test_no_log_is_no_error(tmp_path: Path) -> None:
    logs.bound(tmp_path / "none.log")
    assert logs.tail(tmp_path / "none.log") == "(no log)"


def test_the_tail_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{number}\n" for number in range(100_000)))
    assert logs.tail(path, lines=2) == "99998\n99999"
