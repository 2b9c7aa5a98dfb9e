"""Simulations in virtual time: what a decision costs over an hour, computed in a second."""
