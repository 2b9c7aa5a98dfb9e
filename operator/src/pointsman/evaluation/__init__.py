"""What models are worth, and whether they changed: statistics, and golden suites."""
