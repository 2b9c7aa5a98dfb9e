"""`pointsman rollout`: how a policy's new revision takes over, and what people say of it."""
