"""The data plane: bytes in, decision, bytes out; keeps serving when everything else is down."""
