"""Whether backends drifted: the pure fold, and what acts on it."""
