"""`pointsman audit log`."""
