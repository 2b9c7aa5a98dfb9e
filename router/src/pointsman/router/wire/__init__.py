"""SANS-I/O: HTTP, SSE and OpenAI's shapes; bytes in, events out, however the network cuts them."""
