"""I/O: accepts connections, carries requests to model servers, relays what they answer."""
