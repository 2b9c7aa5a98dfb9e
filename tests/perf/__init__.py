"""Measurements, each a command: `python -m tests.perf.<name>`."""
