"""Which endpoint takes a request: ways to choose, side by side in virtual time."""
