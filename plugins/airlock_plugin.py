"""Airlock in Airflow's web server: the application below ``/airlock``, for logged-in users only, and its menu entry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from airlock.web.lazy import Lazy

if TYPE_CHECKING:
    from fastapi import FastAPI


def _build() -> FastAPI:
    from airflow.api_fastapi.core_api.security import get_user

    from airlock import state
    from airlock.web import app

    return app.create(state=lambda: state.from_environment(os.environ), authenticated=get_user)


class AirlockPlugin(AirflowPlugin):
    """What Airflow takes from this file."""

    name = "airlock"
    fastapi_apps: ClassVar[list[Any]] = [{"app": Lazy(_build), "url_prefix": "/airlock", "name": "Airlock"}]
    # A relative address: Airflow's own <base> adds the path prefix of the deployment, if it has one.
    external_views: ClassVar[list[Any]] = [
        {"name": "Airlock", "href": "airlock/", "url_route": "airlock", "destination": "nav", "nav_top_level": True}
    ]
