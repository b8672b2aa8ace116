"""Asks about files as a library does that has functions of ``os`` as attributes, or looks at what they can do."""

import os
import shutil
import tempfile
from pathlib import Path

from airflow.sdk import DAG


class Files:
    stat = os.stat
    open = os.open


place = Path(tempfile.mkdtemp())
(place / "link").symlink_to("nowhere")
shutil.copy2(place / "link", place / "copy", follow_symlinks=False)
os.close(Files().open(place, os.O_RDONLY))
can = {os.stat, os.lstat, os.access, os.readlink, os.open}
abilities = (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks)

with DAG(
    "asks_files",
    schedule=None,
    tags=[
        (place / "copy").readlink().name,
        str(Files().stat(__file__).st_size),
        *(f"{number}-{function.__name__}" for number, able in enumerate(abilities) for function in can & able),
        os.path.exists(f"{place}/a\0b") and "there" or "not there",
    ],
):
    pass
