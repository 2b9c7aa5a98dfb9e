"""`pointsman approve`."""
