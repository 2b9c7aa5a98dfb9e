"""A new revision that takes over step by step."""
