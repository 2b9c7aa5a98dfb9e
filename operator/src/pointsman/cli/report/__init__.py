"""`pointsman report`: cost, speed, quality and savings by model and task, from the ledger."""
