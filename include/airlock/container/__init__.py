"""What the services of the container stack run besides Airflow itself: secrets, preparation, health."""
