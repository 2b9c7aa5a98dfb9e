"""`make bench-drift`: drift detectors side by side on synthetic and recorded golden results.

The tables and what they mean are in docs/drift.md.
"""
