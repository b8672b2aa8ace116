"""Where a distribution can be had again, and what is on this machine only."""

from __future__ import annotations

import json

import pytest

from airlock.lockfile import origins
from airlock.lockfile.distributions import Distribution

COMMIT = "0" * 39 + "1"


@pytest.fixture
def origin_of(tmp_path):
    def of(record):
        text = record if isinstance(record, str) else json.dumps(record)
        (tmp_path / "direct_url.json").write_text(text)
        return origins.of(Distribution(name="one", version="1.0", records=tmp_path))

    return of


def test_without_a_note_it_came_from_an_index(tmp_path):
    assert origins.of(Distribution(name="one", version="1.0", records=tmp_path)).kind == "index"


def test_a_repository_keeps_its_commit_and_loses_its_credentials(origin_of):
    info = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}
    found = origin_of({"url": "https://me:secret@git.example/one.git", "vcs_info": info, "subdirectory": "python"})
    assert (found.kind, found.url, found.commit) == ("vcs", "https://git.example/one.git", COMMIT)
    assert (found.vcs, found.revision, found.subdirectory) == ("git", "main", "python")


@pytest.mark.parametrize("info", [{"hashes": {"sha256": "ab"}}, {"hash": "sha256=ab"}])
def test_an_archive_keeps_its_hash(origin_of, info):
    found = origin_of({"url": "https://files.example/one-1.0.tar.gz", "archive_info": info})
    assert (found.kind, found.hashes) == ("archive", {"sha256": "ab"})


@pytest.mark.parametrize(
    "record",
    [
        {"url": "file:///somewhere", "dir_info": {"editable": True}},
        {"url": "file:///somewhere/one-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
        {"url": "file:///somewhere/repository", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        {"url": "http://127.0.0.1:9/one-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
        {"url": "http://localhost/one-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
        {"url": "https://files.example/one.tar.gz", "archive_info": {}},
        {"url": 7},
        "[]",
        "not json",
    ],
)
def test_what_nobody_else_can_have_is_local(origin_of, record):
    assert origin_of(record).kind == "local"
