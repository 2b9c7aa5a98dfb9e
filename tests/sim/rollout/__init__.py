"""Rollouts in virtual time: how many of the bad are stopped, how many of the good get through."""
