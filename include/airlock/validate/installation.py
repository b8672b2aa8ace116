"""Where this interpreter has its own library and installed packages: part of the environment, which has a digest."""

from __future__ import annotations

import os
import sys
import sysconfig

_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def folders() -> tuple[str, ...]:
    """Return the folders, each with a slash at its end.

    The prefix itself counts for a venv only: in an image it may be ``/usr/local``, with the deployment's code below.
    """
    sites = (entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    venv = (sys.prefix,) if sys.prefix != sys.base_prefix else ()
    return tuple({f"{os.path.abspath(folder)}{os.sep}" for folder in (*_LIBRARIES, *venv, *sites)})
