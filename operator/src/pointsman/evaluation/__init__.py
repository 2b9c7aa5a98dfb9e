"""What models are worth: golden suites, and what their results say."""
