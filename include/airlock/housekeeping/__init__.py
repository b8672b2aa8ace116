"""What can go: trees of old releases, unpacked objects, old task logs, old rows of Airflow's database."""
