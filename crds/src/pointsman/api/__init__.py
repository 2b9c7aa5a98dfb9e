"""The API: the kinds, their conditions, and the RoutingTable between operator and router."""
