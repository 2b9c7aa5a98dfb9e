"""I/O: the Kubernetes API, the Lease, the routers' admin streams; decides nothing."""
