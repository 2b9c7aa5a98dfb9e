"""Bodies with which an API server refuses."""

import json


def status_body(**said: object) -> bytes:
    """A Status with 404 that says this."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", "code": 404, **said}).encode()


def not_found_body(**details: str) -> bytes:
    """There is no such object."""
    return status_body(reason="NotFound", details=details)
