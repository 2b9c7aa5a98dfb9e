"""The ledger: its decisions alone, its stores by one contract, its process under fire."""
