"""How the control plane grows with its fleet: `python -m tests.perf.scale`."""
