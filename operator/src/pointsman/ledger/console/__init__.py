"""The console: pages for people, served by the ledger under /console.

A page is a module in `pages` with a `PAGE`, named in `pages/__init__.py`, and a template that
extends `layout.html`. It is written in README.md beside this file.
"""
