"""`pointsman simulate`: traffic replayed through one or two policies, and the difference."""
