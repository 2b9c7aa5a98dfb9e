"""Feedback that moves traffic: backends that are bad at a task for a while, in virtual time.

What is simulated are people, models and the clock; labels, fit, table and choice are the product's.
"""
