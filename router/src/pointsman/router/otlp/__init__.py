"""What the router did, as OTLP to a collector: the extra `otel`, imported where it is asked for."""
