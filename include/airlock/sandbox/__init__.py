"""Validation in a container instead of a process of the worker, and the only door to the Docker engine."""
