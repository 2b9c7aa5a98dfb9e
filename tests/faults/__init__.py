"""Faults between the API server and its clients: a proxy that plays them, and the whole matrix."""
