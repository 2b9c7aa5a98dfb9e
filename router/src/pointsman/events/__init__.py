"""What happened, as events: their schema, frames of them, and the spool that keeps and ships them.

Written by routers (and whoever else measures), read by the ledger.
"""
