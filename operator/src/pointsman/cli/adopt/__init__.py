"""`pointsman adopt`: what was learned, as YAML to commit."""
