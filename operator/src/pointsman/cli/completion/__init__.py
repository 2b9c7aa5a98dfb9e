"""`pointsman completion`."""
