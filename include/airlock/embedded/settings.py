"""Airflow's settings for an embedded deployment: the text of ``airflow.cfg``, and which variables may override it."""

from __future__ import annotations

import configparser
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from airlock import project
from airlock.embedded.deployment import HOST, SOURCE, Deployment
from airlock.embedded.layout import Layout
from airlock.secret import ADMIN, Secrets
from airlock.source import BUNDLE_CLASS, SYSTEM_BUNDLE
from airlock.state import State

_HEADER = (
    "# Written by airlock up at each start: changes here are lost. To change a setting, set AIRFLOW__SECTION__KEY."
)

_Sections = dict[str, dict[str, Any]]

# Old names of settings that are fixed below: Airflow still reads them, and before airflow.cfg.
_OLD_NAMES = r"WEBSERVER__.+|DATABASE__.+|API_AUTH__.+|CORE__SQL_ALCHEMY_CONN|WORKERS__EXECUTION_API_SERVER_URL"


def config_text(layout: Layout, deployment: Deployment, secrets: Secrets) -> str:
    """Return the whole ``airflow.cfg``. It holds secrets."""
    parser = configparser.RawConfigParser()
    for sections in (_fixed(layout, deployment, secrets), _tunable(), _LOCAL):
        for section, options in sections.items():
            if not parser.has_section(section):
                parser.add_section(section)
            for name, value in options.items():
                parser.set(section, name, str(value).replace("%", "%%"))
    text = io.StringIO()
    parser.write(text)
    return f"{_HEADER}\n{text.getvalue()}"


def allowed_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` without the variables that would override what the deployment depends on.

    Connections, Variables and every other ``AIRFLOW__SECTION__KEY`` of the user pass.
    """
    names = "|".join(f"{section}__{name}" for section, options in _FIXED_NAMES.items() for name in options)
    fixed = re.compile(rf"AIRFLOW__(({names})(_CMD|_SECRET)?|{_OLD_NAMES})|AIRFLOW_(HOME|CONFIG)", re.IGNORECASE)
    return {name: value for name, value in environ.items() if not fixed.fullmatch(name)}


def bundles(layout: Layout, deployment: Deployment) -> list[dict[str, Any]]:
    """Return Airflow's list of DAG bundles: our own DAGs, and the source."""
    return [
        {
            "name": SYSTEM_BUNDLE,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(project.ROOT / "dags")},
        },
        {"name": SOURCE, "classpath": BUNDLE_CLASS, "kwargs": {"refresh_interval": 1, **deployment.kwargs(layout)}},
    ]


# What the deployment cannot work without: the user's environment does not override it.
_FIXED_NAMES: dict[str, tuple[str, ...]] = {
    "core": (
        "executor",
        "auth_manager",
        "simple_auth_manager_users",
        "simple_auth_manager_all_admins",
        "simple_auth_manager_passwords_file",
        "load_examples",
        "dags_folder",
        "plugins_folder",
        "fernet_key",
        "execution_api_server_url",
    ),
    "database": ("sql_alchemy_conn",),
    "logging": ("base_log_folder", "dag_processor_child_process_log_directory"),
    "api": ("host", "port", "workers", "secret_key", "base_url", "ssl_cert", "ssl_key"),
    "api_auth": ("jwt_secret",),
    "dag_processor": ("dag_bundle_config_list", "dag_bundle_storage_path"),
}


# A task whose worker was killed before it began is queued anew after a minute: with this executor none waits that long.
_LOCAL: _Sections = {"scheduler": {"task_queued_timeout": 60, "task_queued_timeout_check_interval": 30}}


def _fixed(layout: Layout, deployment: Deployment, secrets: Secrets) -> _Sections:
    return {
        "core": {
            "executor": "airlock.local_executor.LocalExecutor",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_all_admins": False,
            "simple_auth_manager_passwords_file": layout.passwords,
            "load_examples": False,
            "dags_folder": project.ROOT / "dags",
            "plugins_folder": project.ROOT / "plugins",
            "fernet_key": secrets.fernet_key,
            "execution_api_server_url": f"{deployment.url}/execution/",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{layout.airflow / 'airflow.db'}"},
        "logging": {
            "base_log_folder": layout.airflow / "logs",
            "dag_processor_child_process_log_directory": layout.airflow / "logs" / "dag_processor",
        },
        "api": {"host": HOST, "port": deployment.port, "workers": 1, "secret_key": secrets.api_secret_key},
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "dag_processor": {
            # Airflow expands % and $ in its settings; inside JSON they have another spelling.
            "dag_bundle_config_list": json.dumps(bundles(layout, deployment))
            .replace("%", "\\u0025")
            .replace("$", "\\u0024"),
            "dag_bundle_storage_path": State(root=layout.root).cache / "bundles",
        },
    }


def _tunable() -> _Sections:
    return {
        "core": {
            "parallelism": 8,
            # A changed DAG is otherwise not written within 30 s of its previous write: a fix would wait that long.
            "min_serialized_dag_update_interval": 0,
        },
        "logging": {
            "colored_console_log": False,
            # A file of its own for each DAG file and day grows for ever; the log of the dag-processor is bounded.
            "dag_processor_log_target": "stdout",
        },
        # Also the time that open connections of the UI may delay the stop.
        "api": {"worker_timeout": 10},
        "dag_processor": {
            "bundle_refresh_check_interval": 1,
            # Airflow's own clean-up of trees does not ask what unfinished runs need; airlock_housekeeping does.
            "stale_bundle_cleanup_interval": 0,
        },
        "scheduler": {
            # Idle CPU of the whole deployment, in points of a core above Airflow with its defaults and without Airlock:
            # 1.7 at 1 s, 3.3 at 0.5 s, 7 at 0.2 s, 13 at 0.1 s. From push to live, 0.5 s saves 0.7 s of 8; faster
            # heartbeats save nothing.
            "scheduler_idle_sleep_time": 0.5,
            # A task whose process was killed is noticed after a minute instead of five, one that was queued when its
            # scheduler was killed after half a minute.
            "task_instance_heartbeat_timeout": 60,
            "orphaned_tasks_check_interval": 30,
        },
        # The triggers of a killed triggerer wait for so long.
        "triggerer": {"triggerer_health_check_threshold": 15},
    }
