"""The API as its users meet it: the openai SDKs of Python and npm, router and simulator between."""

import ssl
from typing import Final

PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP, as all here are: to load all authorities takes each 40 ms."""
