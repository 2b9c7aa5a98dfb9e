"""What commands that list have in common: kubectl's flags, tables and forms of output."""
