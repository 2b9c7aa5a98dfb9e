"""`pointsman vet`: whether a model may be let in, and the approval to commit."""
