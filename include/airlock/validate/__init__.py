"""The gate: import every DAG file of a revision in isolation, with the installed Airflow's own machinery, and judge it."""
