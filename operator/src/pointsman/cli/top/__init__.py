"""`pointsman top`."""
