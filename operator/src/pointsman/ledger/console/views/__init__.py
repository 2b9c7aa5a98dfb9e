"""PURE: what each page shows, as frozen values: from rows of the ledger and what is seen of the
fleet."""
