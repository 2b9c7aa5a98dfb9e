"""PURE: which endpoint, whether and when to try again, which addresses are never dialed."""
