"""The sources of a deployment: Airflow's own list of DAG bundles is the list of sources."""

from __future__ import annotations

import configparser
import difflib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from airlock import source_check
from airlock.errors import ConfigError

SYSTEM_BUNDLE = "airlock-system"
BUNDLE_CLASS = "airlock.bundle.AirlockDagBundle"
SETTING = "[dag_processor] dag_bundle_config_list"
_VARIABLE = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "poll_interval_s": ((int, float), "a number"),
    "submodules": ((bool,), "true or false"),
    "sparse": ((list, tuple), "a list of folders"),
    "depth": ((int,), "a whole number"),
    "refresh_interval": ((int, float), "a number"),
}
_BASE_KWARGS = {"refresh_interval", "view_url_template"}  # of BaseDagBundle; Airflow reads them


@dataclass(frozen=True, kw_only=True)
class Source:
    """A DAG repository to follow. Every field but ``name`` is a kwarg of its bundle in Airflow's list.

    ``git_conn_id`` names an Airflow connection of type ``git`` that has the credentials, and the URL where ``repo_url``
    is empty. ``tag`` or ``commit`` is followed instead of the branch; a tag may be a pattern, whose newest version
    counts. Revisions have to be signed where ``gpg_keys`` (exported public keys) or ``ssh_signers`` (an allowed signers
    file of ssh-keygen) is set: paths of files that the deployment owns. ``submodules`` takes in the content of the
    repository's submodules, ``sparse`` only some of its folders (empty: all), ``depth`` only so many of the newest
    commits of what is followed (0: all). ``poll_interval_s`` is the time between two
    looks at upstream, in seconds. ``forge`` is the kind of server that is told how each commit fared; empty: none is.
    ``release_url`` is a repository to which every release is pushed, for workers that do not see the state, and
    ``release_conn_id`` the connection with its credentials, and its URL where ``release_url`` is empty.
    """

    name: str
    repo_url: str = ""
    branch: str = "main"
    tag: str = ""
    commit: str = ""
    subdir: str = ""
    git_conn_id: str = ""
    gpg_keys: str = ""
    ssh_signers: str = ""
    submodules: bool = False
    sparse: tuple[str, ...] = ()
    depth: int = 0
    poll_interval_s: float = 2.0
    forge: str = ""
    release_url: str = ""
    release_conn_id: str = ""

    @property
    def has_release_repository(self) -> bool:
        """Tell whether releases are pushed to a repository."""
        return bool(self.release_url or self.release_conn_id)

    @property
    def follows(self) -> str:
        """The branch, tag or commit that is followed, in words."""
        if self.commit:
            return f"commit {self.commit[:12]}"
        return f"tag {self.tag!r}" if self.tag else f"branch {self.branch!r}"

    @property
    def takes(self) -> str:
        """What of a commit becomes a tree, in words; empty: just what the commit has."""
        folders = f"only {', '.join(self.sparse)}" if self.sparse else ""
        return "; ".join(filter(None, ("submodules" if self.submodules else "", folders)))

    @property
    def ref(self) -> str:
        """The name of what is followed."""
        return self.commit or self.tag or self.branch


def load(environ: Mapping[str, str]) -> list[Source]:
    """Return the sources of the deployment whose environment this is, without importing Airflow.

    Reads the list where Airflow reads it: its environment variable, else ``airflow.cfg`` in ``AIRFLOW_HOME``.
    Raises ``ConfigError`` with the path of the wrong setting.
    """
    sources: list[Source] = []
    for index, entry in enumerate(_entries(environ)):
        if not isinstance(entry, dict) or entry.get("classpath") != BUNDLE_CLASS:
            continue
        source = parse(str(entry.get("name", "")), entry.get("kwargs") or {}, path=f"{SETTING}[{index}]")
        sharing = [one.name for one in sources if one.release_url and one.release_url == source.release_url]
        if sharing:
            raise ConfigError(
                f"{SETTING}[{index}].kwargs.release_url: source {sharing[0]} has the same release repository",
                hint="each source needs one of its own",
            )
        sources.append(source)
    return sources


def other_bundles(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the deployment's bundles that are no sources, less that of Airlock's own DAGs.

    Raises ``ConfigError`` when the list of bundles cannot be read.
    """
    names = {
        str(entry.get("name", ""))
        for entry in _entries(environ)
        if isinstance(entry, dict) and entry.get("classpath") != BUNDLE_CLASS
    }
    return frozenset(names - {SYSTEM_BUNDLE})


def _entries(environ: Mapping[str, str]) -> list[Any]:
    text = environ.get(_VARIABLE) or _from_config_file(environ)
    if not text:
        return []
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"{SETTING}: not valid JSON: {error}", hint="it is a list of {name, classpath, kwargs}"
        ) from error
    if not isinstance(entries, list):
        raise ConfigError(f"{SETTING}: not a list", hint="it is a list of {name, classpath, kwargs}")
    return entries


def named(sources: list[Source], name: str | None) -> Source:
    """Return the source called ``name``, or the only one where ``name`` is ``None``.

    Raises ``ConfigError`` when there is no such source, or no single one.
    """
    known = ", ".join(source.name for source in sources) or "none"
    if name is None and len(sources) == 1:
        return sources[0]
    if name is None:
        raise ConfigError(f"{SETTING}: which source? There are: {known}", hint="name one of them")
    for source in sources:
        if source.name == name:
            return source
    near = difflib.get_close_matches(name, [source.name for source in sources], 1)
    raise ConfigError(
        f"source {name!r} is not configured", hint=f"did you mean {near[0]}?" if near else f"there are: {known}"
    )


def parse(name: str, kwargs: Mapping[str, Any], *, path: str) -> Source:
    """Return the source that a bundle's name and kwargs describe; ``path`` is where they stand, for errors.

    Raises ``ConfigError`` on an unknown key (with the nearest known one), a wrong type or a value that cannot be.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{path}.name: {name!r} cannot name a source", hint="letters, digits, _ and -, at most 63")
    settings: dict[str, Any] = {}
    for key, value in kwargs.items():
        check_name(key, path=f"{path}.kwargs")
        if value is None:
            continue
        typed = _typed(key, value, path=f"{path}.kwargs.{key}")
        if key not in _BASE_KWARGS:
            settings[key] = typed
    several = [key for key in ("branch", "tag", "commit") if settings.get(key)]
    if len(several) > 1:
        raise ConfigError(f"{path}.kwargs: {' and '.join(several)} exclude each other", hint="give one of them")
    source = Source(name=name, **settings)
    source_check.check(source, path=f"{path}.kwargs")
    return source


def check_name(key: str, *, path: str) -> None:
    """Raise ``ConfigError`` with the nearest name when there is no such setting of a source."""
    known = {field.name for field in fields(Source)} - {"name"}
    if key not in known | _BASE_KWARGS:
        near = difflib.get_close_matches(key, known, 1)
        raise ConfigError(
            f"{path}.{key}: unknown setting",
            hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}",
        )


def value_of(key: str, text: str) -> Any:
    """Return the value of a setting that is written as text, as on a command line; a list has commas.

    What cannot be read stays text, for ``parse`` to refuse.
    """
    wanted, _ = _TYPES.get(key, ((str,), ""))
    if list in wanted:
        return [part.strip() for part in text.split(",") if part.strip()]
    with suppress(ValueError):
        return text if str in wanted else json.loads(text)
    return text


def _typed(key: str, value: Any, *, path: str) -> Any:
    """Return the value of a setting in the type of its field; JSON has no tuples."""
    wanted, hint = _TYPES.get(key, ((str,), "a string"))
    is_list = list in wanted
    if type(value) not in wanted or (is_list and not all(isinstance(one, str) for one in value)):
        raise ConfigError(f"{path}: {value!r} has the wrong type", hint=f"give {hint}")
    return tuple(value) if is_list else value


def _from_config_file(environ: Mapping[str, str]) -> str:
    path = Path(
        environ.get("AIRFLOW_CONFIG") or Path(environ.get("AIRFLOW_HOME") or Path.home() / "airflow") / "airflow.cfg"
    )
    parser = configparser.RawConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as a configuration: {error}") from error
    return parser.get("dag_processor", "dag_bundle_config_list", fallback="")
