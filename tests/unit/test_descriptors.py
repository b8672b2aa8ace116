from __future__ import annotations

import os

from airlock.validate import descriptors


def test_a_forked_process_keeps_what_it_needs_and_nothing_else() -> None:
    read, write = os.pipe()
    other = os.open(os.devnull, os.O_RDONLY)
    assert {read, write, other} <= descriptors.opened()
    if (pid := os.fork()) == 0:
        descriptors.close_all_but({0, 1, 2, write})
        os.write(write, repr(sorted(descriptors.opened())).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 1000).decode() == repr([0, 1, 2, write])
    for descriptor in (read, write, other):
        os.close(descriptor)
    assert not {read, write, other} & descriptors.opened()
