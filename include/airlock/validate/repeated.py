"""Finds in the child which DAG ids a file gives to DAGs that differ: Airflow keeps one of them and says nothing."""

from __future__ import annotations

import sys
from typing import Any

from airlock.validate import describe


class Definitions:
    """Every DAG that the file defines from now on, also those that Airflow will drop as equal to another one."""

    def __init__(self) -> None:
        from airflow.sdk.definitions._internal.contextmanager import DagContext

        self._made: list[Any] = []
        made = self._made

        class Registered(set[Any]):
            def add(self, item: Any) -> None:
                made.append(item[0])
                super().add(item)

        DagContext.autoregistered_dags = Registered()

    def repeated(self, root: str, path: str) -> list[str]:
        """Return the ids that stand for DAGs which differ, in the file at ``path``."""
        from airflow.sdk import DAG
        from airflow.utils.file import get_unique_dag_module_name

        # A look through all modules would touch the memory of each, which costs a child several milliseconds.
        module = sys.modules.get(get_unique_dag_module_name(path))
        named = [value for value in list(vars(module).values()) if isinstance(value, DAG)] if module else []
        by_id: dict[str, dict[int, Any]] = {}
        for dag in [*self._made, *named]:
            by_id.setdefault(dag.dag_id, {})[id(dag)] = dag
        return sorted(dag_id for dag_id, dags in by_id.items() if len(dags) > 1 and _differ(list(dags.values()), root))


def _differ(dags: list[Any], root: str) -> bool:
    from airflow.serialization.serialized_objects import DagSerialization

    digests = set()
    for dag in dags:
        try:
            digests.add(describe.dag(DagSerialization.to_dict(dag), root)["digest"])
        except Exception:  # noqa: BLE001 - one that Airflow cannot store differs from one that it can
            digests.add("")
    return len(digests) > 1
