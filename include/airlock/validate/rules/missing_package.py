"""``missing-package``: the file imports a package that is not installed in this environment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from airlock import folders
from airlock.validate.option import Option
from airlock.validate.outcome import Observed
from airlock.validate.rules import traceback_text
from airlock.verdict import Finding, Severity

ID = "missing-package"
SEVERITY: Severity = "error"
HINT = "add {package} to the deployment (requirements-extra.txt of its image), or remove the import"
OPTIONS: tuple[Option, ...] = ()
_MESSAGE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_SHARED_NAMES = ("google", "azure")
_PROVIDERS = "airflow.providers."
# Modules whose package has another name; elsewhere the names are the same but for dashes.
_PACKAGES = {
    "Crypto": "pycryptodome",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "kubernetes_asyncio": "kubernetes-asyncio",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "pkg_resources": "setuptools",
    "psycopg": "psycopg",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "snowflake": "snowflake-connector-python",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def package_of(observed: Observed, message: str) -> str:
    """Return the package that an import error is about; empty when it is about a module of the repository."""
    found = _MESSAGE.match(message)
    if not found:
        return ""
    module = found[1]
    top, *below = module.split(".")
    if module.startswith(_PROVIDERS):
        return _provider(observed, module.removeprefix(_PROVIDERS))
    if below and top not in _SHARED_NAMES:
        return ""  # the package is there, a module of it is not
    if _in_repository(observed, top):
        return ""
    return "-".join([top, *below[:2]]) if top in _SHARED_NAMES else _PACKAGES.get(top, top.replace("_", "-"))


def find(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each import of a package that is not installed."""
    for outcome in observed.outcomes:
        for text in outcome.errors.values():
            fault = traceback_text.read(text, root=observed.root, file=outcome.file)
            package = package_of(observed, fault.message)
            if package:
                place = f" (in {fault.elsewhere})" if fault.elsewhere else ""
                module = fault.message.partition(": ")[2]
                yield Finding(
                    rule=ID,
                    severity=SEVERITY,
                    file=outcome.file,
                    line=fault.line,
                    message=f"{module}{place}: the package {package} is not installed{_nearest(observed, package)}",
                    hint=HINT.format(package=package),
                )


def _provider(observed: Observed, name: str) -> str:
    """Return the distribution of a provider's module, the longest name that is installed, or the shortest."""
    words = name.replace("_", "-").split(".")
    names = ["-".join(["apache-airflow-providers", *words[:number]]) for number in (1, 2)]
    if any(one in observed.installed for one in names):
        return ""  # the provider is there, a module of it is not
    return names[1] if words[0] in ("apache", "common", "microsoft") and len(words) > 1 else names[0]


def _in_repository(observed: Observed, top: str) -> bool:
    """Tell whether the repository has a module of that name, though perhaps not where an import looks for it."""
    places: list[Path] = [observed.folder, observed.root, *observed.folder.parents]
    return any(
        folders.is_file(place / f"{top}.py") or folders.is_folder(place / top)
        for place in places
        if place.is_relative_to(observed.root)
    )


def _nearest(observed: Observed, package: str) -> str:
    version = observed.installed.get(package.lower())
    if version:
        return f" as it should be: the records say {version}, so reinstall it"
    near = difflib.get_close_matches(package.lower(), list(observed.installed), n=1, cutoff=0.8)
    return f"; the nearest that is: {near[0]} {observed.installed[near[0]]}" if near else ""
