"""``python -m airlock.container.prepare``: makes database, first user and sample repository ready; then it ends.

Runs before Airflow's services start, at every start of the stack: what is there already stays as it is.
"""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from airlock import database
from airlock.container import place
from airlock.embedded import sample
from airlock.errors import AirlockError, ConfigError
from airlock.secret import ADMIN, ADMIN_PASSWORD

_ADMIN_ROLE = "Admin"


def main() -> None:
    """Make what is missing. Ends with status 1 and a hint when the settings of the stack contradict each other."""
    try:
        require_broker(os.environ.get("AIRFLOW__CORE__EXECUTOR", ""))
    except AirlockError as error:
        raise SystemExit(f"airlock: {error}") from error
    sample.make_upstream(place.SAMPLE)
    database.prepare()
    _make_admin(place.secret(ADMIN_PASSWORD).read_text("utf-8").strip())


def require_broker(executor: str) -> None:
    """Return when tasks will find somebody who runs them.

    Raises ``ConfigError`` when the executor sends them to Celery workers and there is no broker: without the profile
    they would wait in the queue for ever.
    """
    if "Celery" not in executor:
        return
    address = urlsplit(place.secret("broker-url").read_text("utf-8").strip())
    try:
        socket.create_connection((str(address.hostname), address.port or 6379), timeout=10).close()
    except OSError as error:
        raise ConfigError(
            f"AIRLOCK_EXECUTOR: {executor} needs the broker {address.hostname}, which does not answer: {error}",
            hint="set COMPOSE_PROFILES=celery in .env, or leave AIRLOCK_EXECUTOR out",
        ) from error


def _make_admin(password: str) -> None:
    """Make the user ``ADMIN`` where there is none: a password that was changed in the UI stays."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    @providers_configuration_loaded
    def make() -> None:
        with get_application_builder() as builder:
            users = builder.sm
            if users.find_user(username=ADMIN) is None:
                role = users.find_role(_ADMIN_ROLE)
                if not users.add_user(ADMIN, ADMIN, ADMIN, f"{ADMIN}@localhost", role, password):
                    raise SystemExit(f"airlock: the user {ADMIN} could not be made: see the lines above")

    make()


if __name__ == "__main__":
    main()
