"""Shared by tests: fakes and checkers written once."""
