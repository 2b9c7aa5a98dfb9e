"""Differential fuzzing of what reads HTTP: our readers against h11. `python -m tests.fuzz`."""
