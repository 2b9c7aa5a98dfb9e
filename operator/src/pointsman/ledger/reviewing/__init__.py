"""Reviews at work: the desk that routers and people come to, over HTTP, with its webhooks."""
