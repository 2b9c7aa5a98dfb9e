"""End-to-end tests on kind: `python -m tests.kind` (make e2e-kind)."""
