"""Where this copy of Airlock lies: the folder of ``dags/``, ``plugins/``, ``include/`` and ``requirements.lock``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
