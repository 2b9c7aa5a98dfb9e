"""What every process of Pointsman that listens has: addresses, bounded connections, log lines."""
