"""`pointsman status`."""
