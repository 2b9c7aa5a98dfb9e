"""`pointsman reviews`."""
