"""The lockfile of an environment: complete and true, or incomplete and true."""

from __future__ import annotations

import json
import shutil
import tomllib

import pytest
from packaging.pylock import Pylock

from airlock.errors import TransientError
from airlock.lockfile import artifact, current, distributions, resolve


@pytest.fixture
def environment(tmp_path, wheelhouse, monkeypatch):
    """Return a function that makes wheels the whole environment, and the index that has them."""

    def use(*paths, names=None, answer=None):
        site = tmp_path / "site"
        shutil.rmtree(site.with_name("site.prefix"), ignore_errors=True)
        wheelhouse.install(site, *(names or [path.name.split("-")[0] for path in paths]))
        asked = []
        monkeypatch.setattr(distributions, "site_folders", lambda: (site,))

        def resolved(roots, pins):
            asked.append((tuple(roots), dict(pins)))
            return answer or wheelhouse.answer(*paths)

        monkeypatch.setattr(resolve, "resolve", resolved)
        return asked

    return use


def unreachable(*_):
    raise TransientError("no package index answered", hint="h", reason="IndexUnreachable")


def test_a_lockfile_is_made_of_what_is_installed(wheelhouse, environment):
    asked = environment(wheelhouse.add("top", needs=["bottom"]), wheelhouse.add("bottom", "2.0"))
    made = current.make()
    assert made.manifest.is_complete
    assert asked == [(("top",), {"bottom": "2.0", "top": "1.0"})]
    assert artifact.parse(made.files, subject="x") == made
    assert made.files[artifact.CONSTRAINTS].decode().splitlines()[1:] == ["bottom==2.0", "top==1.0"]
    assert made.manifest.environment == distributions.digest()


def test_the_same_environment_gives_the_same_bytes(wheelhouse, environment):
    paths = [wheelhouse.add("top"), wheelhouse.add("bottom")]
    environment(*paths)
    first = current.make()
    environment(*reversed(paths))
    assert current.make().files == first.files


def test_a_lock_that_is_still_true_is_used_again_without_an_index(wheelhouse, environment, monkeypatch):
    environment(wheelhouse.add("one"))
    before = current.make()
    monkeypatch.setattr(resolve, "resolve", unreachable)
    assert current.make(before) == before
    assert not current.make().manifest.is_complete


def test_a_lock_of_what_was_installed_before_is_not_used_again(wheelhouse, environment):
    environment(wheelhouse.add("one"))
    before = current.make()
    asked = environment(wheelhouse.add("one", "1.1"), names=["one==1.1"])
    after = current.make(before)
    assert len(asked) == 1
    assert after.files[artifact.PYLOCK] != before.files[artifact.PYLOCK]


def test_a_lock_that_lies_is_not_published_and_the_packages_are_named(wheelhouse, environment):
    lie = wheelhouse.answer(wheelhouse.add("one"), wheelhouse.add("extra"))
    environment(wheelhouse.add("one"), answer=lie)
    made = current.make()
    assert list(made.files) == ["constraints.txt", "manifest.json"]
    assert made.manifest.problem.reason == "LockMismatch"
    assert "extra: in the lock, but not installed" in made.manifest.problem.message


def test_packages_that_do_not_fit_together_are_named_without_asking_an_index(wheelhouse, environment):
    asked = environment(wheelhouse.add("top", needs=["bottom>=2"]), wheelhouse.add("bottom"))
    problem = current.make().manifest.problem
    assert problem.reason == "Inconsistent"
    assert "top 1.0 needs bottom>=2, installed is bottom 1.0" in problem.message
    assert asked == []


def test_without_an_index_there_are_constraints_and_a_manifest_that_says_why(wheelhouse, environment, monkeypatch):
    environment(wheelhouse.add("one"))
    monkeypatch.setattr(resolve, "resolve", unreachable)
    made = current.make()
    record = json.loads(made.files[artifact.MANIFEST])
    assert list(made.files) == ["constraints.txt", "manifest.json"]
    assert (record["complete"], record["problem"]["reason"]) == (False, "IndexUnreachable")
    assert current.make() == made


def test_addresses_and_paths_do_not_get_into_the_manifest(wheelhouse, environment, monkeypatch):
    environment(wheelhouse.add("one"))

    def failing(*_):
        raise TransientError("cannot get https://me:secret@mirror.example/simple into /var/cache/uv: no", hint="h")

    monkeypatch.setattr(resolve, "resolve", failing)
    assert current.make().manifest.problem.message == "cannot get … into … no"


def test_tools_are_left_out_unless_something_needs_them(wheelhouse, environment):
    one, tool = wheelhouse.add("one"), wheelhouse.add("setuptools")
    environment(one, tool, answer=wheelhouse.answer(one))
    assert list(current.make().manifest.distributions) == ["one"]
    two = wheelhouse.add("two", needs=["setuptools"])
    environment(one, two, tool)
    made = current.make()
    assert made.manifest.is_complete
    assert list(made.manifest.distributions) == ["one", "setuptools", "two"]


def test_a_local_folder_is_listed_and_the_rest_is_locked(tmp_path, wheelhouse, environment):
    needed, local = wheelhouse.add("needed"), wheelhouse.add("local", needs=["needed"])
    asked = environment(needed, local, answer=wheelhouse.answer(needed))
    note = {"url": "file:///somewhere/local", "dir_info": {"editable": True}}
    (tmp_path / "site" / "local-1.0.dist-info" / "direct_url.json").write_text(json.dumps(note))
    made = current.make()
    assert made.manifest.is_complete
    assert list(made.manifest.not_reproducible) == ["local"]
    assert asked == [(("needed",), {"needed": "1.0"})]
    assert b"local" not in made.files[artifact.REQUIREMENTS]
    assert b"/somewhere" not in b"".join(made.files.values())


def test_an_installation_from_a_repository_is_an_entry_with_its_commit(tmp_path, wheelhouse, environment):
    one, ours = wheelhouse.add("one"), wheelhouse.add("ours", needs=["one"])
    environment(one, ours, answer=wheelhouse.answer(one))
    info = {"vcs": "git", "commit_id": "0" * 40, "requested_revision": "main"}
    note = {"url": "https://git.example/ours", "vcs_info": info}
    (tmp_path / "site" / "ours-1.0.dist-info" / "direct_url.json").write_text(json.dumps(note))
    made = current.make()
    assert made.manifest.is_complete
    lock = Pylock.from_dict(tomllib.loads(made.files[artifact.PYLOCK].decode()))
    assert {package.name: package.vcs and package.vcs.commit_id for package in lock.packages} == {
        "one": None,
        "ours": "0" * 40,
    }
    assert b"ours" not in made.files[artifact.REQUIREMENTS]
    assert list(made.manifest.not_reproducible) == ["ours"]


def test_differences_are_named(wheelhouse, environment):
    environment(wheelhouse.add("same"), wheelhouse.add("gone"), wheelhouse.add("moved"))
    before = current.make()
    assert current.differences(before) == ()
    same = wheelhouse.add("same", code="value = 2\n")
    environment(same, wheelhouse.add("moved", "1.1"), wheelhouse.add("new"), names=["same", "moved==1.1", "new"])
    assert current.differences(before) == (
        "gone: 1.0 is expected, none is installed",
        "moved: 1.0 is expected, 1.1 is installed",
        "new: 1.0 is installed, none is expected",
        "same: the same version 1.0, but other files",
    )
