"""People in the loop: what a policy's human review does to requests. Loaded with the first."""
