"""Tells people what happened to a source, through any notifier of Airflow, once for each change of state."""
