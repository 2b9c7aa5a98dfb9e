"""From the last release to this tree and back: `python -m tests.upgrade` (docs/upgrade.md)."""
