"""The operator: turns ModelBackends and RoutingPolicies into model servers and a table."""
