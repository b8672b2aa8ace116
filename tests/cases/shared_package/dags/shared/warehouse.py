"""The warehouse, for the DAGs that load into it."""

import no_such_warehouse_client


def connect():
    return no_such_warehouse_client.connect()
