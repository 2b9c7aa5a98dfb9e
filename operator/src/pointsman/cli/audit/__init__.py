"""`pointsman audit`: what a fleet is really asked, and a first policy for it."""
