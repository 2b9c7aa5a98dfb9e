"""Scaling decisions in virtual time."""
