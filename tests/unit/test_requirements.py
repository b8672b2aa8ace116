"""The locks hold what the requirements ask for, for every supported Python, with hashes and without addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from airlock import project

PYTHONS = ("3.11", "3.12", "3.13")
PAIRS = {
    "requirements.txt": "requirements.lock",
    "requirements-dev.txt": "requirements-dev.lock",
    "requirements-stack.txt": "requirements-stack.lock",
}
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z,-]+])?==(?P<version>[^ ;]+)( ; (?P<marker>.+?))? \\")


@dataclass(frozen=True, kw_only=True)
class Pin:
    name: str
    version: Version
    marker: Marker | None
    hashes: tuple[str, ...]

    def applies_to(self, python: str) -> bool:
        return self.marker is None or self.marker.evaluate(
            {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        )


def pins(lock: str) -> list[Pin]:
    """Return the pins of a lock; every line of it is understood."""
    found: list[Pin] = []
    for line in (project.ROOT / lock).read_text("utf-8").splitlines():
        if line.lstrip().startswith("#"):
            continue
        if match := PIN.fullmatch(line):
            marker = Marker(match["marker"]) if match["marker"] else None
            name = canonicalize_name(match["name"])
            found.append(Pin(name=name, version=Version(match["version"]), marker=marker, hashes=()))
        else:
            digest = re.fullmatch(r"    --hash=sha256:([0-9a-f]{64})( \\)?", line)
            assert digest, f"{lock}: not understood: {line!r}"
            last = found.pop()
            found.append(
                Pin(name=last.name, version=last.version, marker=last.marker, hashes=(*last.hashes, digest[1]))
            )
    return found


def asked(requirements: str) -> list[Requirement]:
    lines = (project.ROOT / requirements).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirements", PAIRS)
def test_every_requirement_is_satisfied_by_one_pin(requirements: str, python: str) -> None:
    locked = [pin for pin in pins(PAIRS[requirements]) if pin.applies_to(python)]
    for requirement in asked(requirements):
        versions = [pin.version for pin in locked if pin.name == canonicalize_name(requirement.name)]
        assert len(versions) == 1, f"{requirement.name}: {versions}"
        assert requirement.specifier.contains(versions[0]), f"{requirement} is locked at {versions[0]}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", PAIRS.values())
def test_no_package_is_pinned_twice(lock: str, python: str) -> None:
    names = [pin.name for pin in pins(lock) if pin.applies_to(python)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lock", PAIRS.values())
def test_every_pin_has_a_hash(lock: str) -> None:
    assert [pin.name for pin in pins(lock) if not pin.hashes] == []


@pytest.mark.parametrize("lock", PAIRS.values())
def test_no_address_and_no_path_is_in_a_lock(lock: str) -> None:
    text = (project.ROOT / lock).read_text("utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links|\s/\w+/", text)


@pytest.mark.parametrize("requirements", PAIRS)
def test_every_requirement_has_an_upper_bound(requirements: str) -> None:
    for requirement in asked(requirements):
        assert any(bound.operator in {"==", "<", "<=", "~="} for bound in requirement.specifier), str(requirement)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("other", ["requirements-dev.lock", "requirements-stack.lock"])
def test_every_lock_shares_the_environments_versions(other: str, python: str) -> None:
    runtime = {pin.name: pin.version for pin in pins("requirements.lock") if pin.applies_to(python)}
    others = {pin.name: pin.version for pin in pins(other) if pin.applies_to(python)}
    shared = runtime.keys() & others.keys()
    assert {name: others[name] for name in shared} == {name: runtime[name] for name in shared}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_stack_has_all_that_the_embedded_deployment_has(python: str) -> None:
    embedded = {pin.name for pin in pins("requirements.lock") if pin.applies_to(python)}
    assert embedded <= {pin.name for pin in pins("requirements-stack.lock") if pin.applies_to(python)}


def test_a_lock_that_lost_its_requirement_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.txt").write_text("missing>=1,<2\n", "utf-8")
    (tmp_path / "requirements.lock").write_text(f"other==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "utf-8")
    monkeypatch.setattr(project, "ROOT", tmp_path)
    with pytest.raises(AssertionError, match="missing"):
        test_every_requirement_is_satisfied_by_one_pin("requirements.txt", "3.12")
