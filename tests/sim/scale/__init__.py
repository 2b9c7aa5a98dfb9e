"""Beyond what the bench can hold: `python -m tests.sim.scale`."""
