"""Tests of the stand-in model server."""
