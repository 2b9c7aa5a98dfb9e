"""Requests that people look at: what a review is, and each step of it in one transaction."""
