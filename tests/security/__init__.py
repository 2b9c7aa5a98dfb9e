"""What an installed Pointsman may do, does, and gives away."""
