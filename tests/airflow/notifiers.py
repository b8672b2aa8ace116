"""Notifiers of Airflow that tests can look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk.bases.notifier import BaseNotifier


class ToFile(BaseNotifier):
    """Writes what it is told to a file."""

    template_fields = ("text",)

    def __init__(self, *, text: str, path: str) -> None:
        super().__init__()
        self.text, self.path = text, path

    def notify(self, context: Any) -> None:
        with Path(self.path).open("a") as file:
            file.write(f"{self.text}\n")
