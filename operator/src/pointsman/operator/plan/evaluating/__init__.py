"""PURE: when a backend is to be evaluated, and what came of it."""
