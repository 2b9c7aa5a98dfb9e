"""Where the ledger keeps what it knows: one contract, on SQLite and on PostgreSQL."""
