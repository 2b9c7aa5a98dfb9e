"""The images without Docker, and what is promised of them."""
