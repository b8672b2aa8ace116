"""Not below the DAG folder: Airflow never reads it, though it names airflow and a dag."""

raise RuntimeError("only pytest imports this")
