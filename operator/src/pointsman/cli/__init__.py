"""`pointsman` and `kubectl pointsman`: up, check, explain, demo."""
