"""Which distributions a resolution starts from, and which needs are not met."""

from __future__ import annotations

import pytest

from airlock.lockfile import dependencies


@pytest.fixture
def installed(tmp_path, wheelhouse):
    def install(**needs):
        for name, wanted in needs.items():
            wheelhouse.add(name, needs=wanted, extras=["x"])
        return wheelhouse.install(tmp_path / "site", *needs)

    return install


def roots(found):
    return dependencies.roots(dependencies.needs(found))


def conflicts(found):
    return dependencies.conflicts(dependencies.needs(found), found)


def test_what_somebody_needs_is_no_root(installed):
    assert roots(installed(top=["middle"], middle=["bottom>=1"], bottom=[], alone=[])) == ("alone", "top")


def test_a_cycle_has_one_root(installed):
    assert roots(installed(a=["b"], b=["c"], c=["a"], below=[])) == ("a", "below")


def test_airflow_is_the_root_of_its_own_cycle(tmp_path, wheelhouse):
    wheelhouse.add("a-provider", needs=["apache-airflow"])
    wheelhouse.add("apache-airflow", needs=["apache-airflow-core"])
    wheelhouse.add("apache-airflow-core", needs=["a-provider"])
    found = wheelhouse.install(tmp_path / "site", "a-provider", "apache-airflow", "apache-airflow-core")
    assert roots(found) == ("apache-airflow",)


def test_a_cycle_below_another_root_has_none_of_its_own(installed):
    assert roots(installed(top=["a"], a=["b"], b=["a"])) == ("top",)


def test_what_an_asked_for_extra_needs_is_no_root(installed):
    found = installed(top=["middle[x]"], middle=["loop; extra == 'x'"], loop=[])
    assert roots(found) == ("top",)
    assert conflicts(found) == ()


def test_what_only_an_extra_needs_that_nobody_asks_for_is_a_root(installed):
    assert roots(installed(top=["middle"], middle=["loop; extra == 'x'"], loop=[])) == ("loop", "top")


def test_a_need_of_another_system_is_none_here(installed):
    found = installed(top=["nowhere; sys_platform == 'plan9'"])
    assert conflicts(found) == ()


def test_each_need_that_is_not_met_is_named(installed):
    found = installed(top=["bottom>=2", "missing<3", "bottom"], bottom=[])
    assert conflicts(found) == (
        "top 1.0 needs bottom>=2, installed is bottom 1.0",
        "top 1.0 needs missing<3, which is not installed",
    )


def test_a_prerelease_that_is_installed_meets_a_need(tmp_path, wheelhouse):
    wheelhouse.add("top", needs=["bottom>=1"])
    wheelhouse.add("bottom", "1.1rc1")
    assert conflicts(wheelhouse.install(tmp_path / "site", "top", "bottom==1.1rc1")) == ()
