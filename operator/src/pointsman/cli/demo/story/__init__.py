"""A model gets worse, and what follows by itself: `pointsman demo --drift`."""
