"""What an embedded deployment was asked to be: the record that ``up`` leaves for the next ``up`` and for ``status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airlock import source as sources
from airlock.embedded.layout import Layout
from airlock.errors import StateError
from airlock.secret import write_private
from airlock.source import Source

HOST = "127.0.0.1"
SOURCE = "dags"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The settings of one deployment. ``repo`` is empty where the sample repository is followed.

    ``settings`` are those of the source that have no option of their own, by the name of the kwarg.
    """

    port: int = 8080
    repo: str = ""
    branch: str = "main"
    subdir: str = ""
    conn_id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the Airflow UI and API."""
        return f"http://{HOST}:{self.port}"

    @property
    def is_sample(self) -> bool:
        """Whether the deployment follows the sample repository in its state directory."""
        return not self.repo and not self.conn_id

    def repo_url(self, layout: Layout) -> str:
        """The URL to fetch from; empty where the Airflow connection has it."""
        return str(layout.sample_upstream) if self.is_sample else self.repo

    def kwargs(self, layout: Layout) -> dict[str, Any]:
        """The kwargs of the source, as Airflow's list of DAG bundles has them."""
        own = {
            "repo_url": self.repo_url(layout),
            "branch": self.branch if self.has_branch else "",
            "subdir": self.subdir,
            "git_conn_id": self.conn_id,
        }
        return {**{name: value for name, value in own.items() if value}, **self.settings}

    @property
    def has_branch(self) -> bool:
        """Whether a branch is followed, and no tag or commit."""
        return not (self.settings.get("tag") or self.settings.get("commit"))

    def source(self, layout: Layout) -> Source:
        """The source that is followed. Raises ``ConfigError`` when its settings cannot be."""
        return sources.parse(SOURCE, self.kwargs(layout), path=f"source {SOURCE}")


def read(layout: Layout) -> Deployment | None:
    """Return the settings of the last ``up``, ``None`` when there was none.

    Raises ``StateError`` when the record is damaged.
    """
    try:
        values = json.loads(layout.deployment.read_text("utf-8"))
        return Deployment(
            port=int(values["port"]),
            repo=str(values["repo"]),
            branch=str(values["branch"]),
            subdir=str(values["subdir"]),
            conn_id=str(values["conn_id"]),
            settings=dict(values.get("settings", {})),
        )
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"{layout.deployment} is damaged: {error}", hint="delete it and give airlock up its options again"
        ) from error


def write(layout: Layout, deployment: Deployment) -> None:
    """Record the settings of this ``up``."""
    write_private(layout.deployment, json.dumps(asdict(deployment), indent=2) + "\n")


def merged(
    last: Deployment | None,
    *,
    repo: str | None,
    branch: str | None,
    subdir: str | None,
    port: int | None,
    conn_id: str | None,
    settings: Mapping[str, Any] | None,
) -> Deployment:
    """Return the settings that an ``up`` with these options asks for: those of the last ``up``, unless given.

    Another repository has branches and folders of its own: with another ``repo`` or ``conn_id``, those of the last one
    and all ``settings`` are forgotten. One of the ``settings`` that is empty is the default again.
    """
    base = last or Deployment()
    if repo not in (None, base.repo) or conn_id not in (None, base.conn_id):
        base = Deployment(port=base.port, branch="")
    given: dict[str, Any] = {"repo": repo, "branch": branch, "subdir": subdir, "port": port, "conn_id": conn_id}
    given["settings"] = changed(base.settings, settings or {})
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def changed(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of the source with some of them given anew; one that is empty is the default again."""
    return {name: value for name, value in {**settings, **given}.items() if value not in ("", [])}
