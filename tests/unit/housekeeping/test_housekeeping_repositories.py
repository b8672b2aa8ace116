"""Packing makes a repository smaller and changes nothing that it says."""

from __future__ import annotations

from collections.abc import Callable

from tests.upstream import Upstream
from tests.verdicts import verdict

from airlock import git, pointer, release as releases
from airlock.housekeeping import repositories
from airlock.mirror import Mirror
from airlock.verdict import Changes


def test_packing_keeps_every_ref_note_and_record(
    mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]
) -> None:
    for number in range(30):
        revision = upstream.push({"etl.py": f"{number}"})
        fetch()
        with mirror.locked():
            live = releases.live_revision(mirror)
            mirror.write_verdict(verdict(revision))
            mirror.write_record("hold", {"number": number})
            releases.publish(mirror, verdict(revision), expected=live, who="x", why="x", changes=Changes())
    before = git.run(mirror.path, "for-each-ref").text
    assert repositories.pack(mirror.path) > 0
    assert git.run(mirror.path, "for-each-ref").text == before
    assert pointer.live(mirror.path) == revision
    assert mirror.read_verdict(revision) == verdict(revision)
    assert mirror.read_record("hold") == {"number": 29}
    assert git.run(mirror.path, "fsck", "--strict").status == 0
    superseded_records = 29  # nothing refers to them, but they are too young to go
    assert git.run(mirror.path, "count-objects").text.startswith(f"{superseded_records} objects")


def test_a_sync_goes_on_after_packing(mirror: Mirror, upstream: Upstream, fetch: Callable[[], str | None]) -> None:
    upstream.push({"etl.py": "1"})
    fetch()
    repositories.pack(mirror.path)
    revision = upstream.push({"etl.py": "2"})
    assert fetch() == revision
