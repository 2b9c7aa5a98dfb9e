"""Local mode: the same plans on the same YAML, with files for the API and processes for pods."""
