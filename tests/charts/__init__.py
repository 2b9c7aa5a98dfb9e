"""Tests of the Helm charts."""
