"""PURE: what should be, decided from what was seen; time is an argument.

Local mode and `pointsman check` call the same functions on files instead of a cluster.
"""
