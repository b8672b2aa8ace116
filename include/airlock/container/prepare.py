"""``python -m airlock.container.prepare``: makes database, first user and sample repository ready; then it ends.

Runs before Airflow's services start, at every start of the stack: what is there already stays as it is.
"""

from __future__ import annotations

from airlock import database
from airlock.container import place
from airlock.embedded import sample
from airlock.secret import ADMIN, ADMIN_PASSWORD

_ADMIN_ROLE = "Admin"


def main() -> None:
    """Make what is missing."""
    sample.make_upstream(place.SAMPLE)
    database.prepare()
    _make_admin(place.secret(ADMIN_PASSWORD).read_text("utf-8").strip())


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
