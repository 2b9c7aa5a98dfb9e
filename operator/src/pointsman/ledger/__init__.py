"""What every request cost and how good its answer was: events in, exactly once, and questions out.

Stands on SQLite or PostgreSQL. Knows neither operator nor router; they meet it over HTTP.
"""
