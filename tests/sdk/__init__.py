"""The API as its users meet it: the openai SDKs of Python and npm, router and simulator between."""
