"""Traffic as `audit`, `simulate` and `explain` read it: files of OpenAI requests, or a ledger."""
