"""The demo: a support desk's day through the real OpenAI SDK, routed and not, then a table."""
