"""`pointsman evaluate`: what models are worth, by a suite of golden prompts."""
