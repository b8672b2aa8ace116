"""``python -m airlock.container.secrets``: makes the stack's secrets at the first start, and keeps them afterwards.

No secret stands in the compose file, in ``.env``, in the image or in a container's environment: Airflow's services read
theirs from a volume, through settings that end in ``_CMD``; the database and the broker have a volume of their own.
"""

from __future__ import annotations

import secrets as random
from pathlib import Path

from airlock import secret
from airlock.container import place
from airlock.secret import ADMIN, kept, write_private

_PASSWORD_BYTES = 24
_DATABASE = "airflow:{password}@postgres:5432/airflow"
_BROKER = "redis://:{password}@redis:6379/0"
# Whoever may mount the volume may read them: the users of the database's and the broker's images differ.
_FOR_BACKENDS = 0o444


def main() -> None:
    """Make what is missing, and write anew what follows from it."""
    write(place.SECRETS, place.BACKEND)


def write(folder: Path, backend: Path) -> None:
    """Write every secret into ``folder``, and into ``backend`` what the database and the broker need of them."""
    own = secret.load(folder)
    database = kept(folder / "postgres-password", random.token_urlsafe(_PASSWORD_BYTES))
    broker = kept(folder / "redis-password", random.token_urlsafe(_PASSWORD_BYTES))
    address = _DATABASE.format(password=database)
    for name, value in {
        "sql-alchemy-conn": f"postgresql+psycopg2://{address}",
        "result-backend": f"db+postgresql://{address}",
        "broker-url": _BROKER.format(password=broker),
        "flower-basic-auth": f"{ADMIN}:{own.admin_password}",
    }.items():
        write_private(folder / name, value)
    write_private(backend / "postgres-password", database, mode=_FOR_BACKENDS)
    write_private(backend / "redis.conf", f"requirepass {broker}\nappendonly yes\n", mode=_FOR_BACKENDS)


if __name__ == "__main__":
    main()
