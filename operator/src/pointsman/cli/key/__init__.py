"""`pointsman key`: makes keys for callers, and keeps their hashes in a Secret's manifest."""
