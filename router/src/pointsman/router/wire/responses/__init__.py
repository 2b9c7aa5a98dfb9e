"""OpenAI's Responses API in front of chat completions."""
