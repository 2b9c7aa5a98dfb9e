"""`pointsman import`: another gateway's configuration as our resources."""
