"""What callers see when model servers or other callers misbehave, and that nothing stays of it."""
