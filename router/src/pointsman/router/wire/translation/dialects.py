"""The APIs that are translated, by the name that operations call them."""

from typing import Final

from pointsman.router.wire.anthropic.dialect import DIALECT as MESSAGES
from pointsman.router.wire.responses.dialect import DIALECT as RESPONSES
from pointsman.router.wire.translation.dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {"Messages": MESSAGES, "Responses": RESPONSES}
