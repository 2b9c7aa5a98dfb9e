"""Tests of the request analysis."""
