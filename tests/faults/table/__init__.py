"""Every fault in one table, each row with the promise that it proves."""
