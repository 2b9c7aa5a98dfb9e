"""Runs a suite: asks models over HTTP, keeps each call in a file, stops at a cap."""
