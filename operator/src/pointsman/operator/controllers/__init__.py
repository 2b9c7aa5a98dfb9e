"""One controller a kind: observe once, plan once, apply once; kopf only says when."""
