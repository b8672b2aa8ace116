"""The gate: imports every DAG file of a revision in isolation, with Airflow's own machinery, and judges it."""
