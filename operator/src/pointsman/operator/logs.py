"""One JSON object a line: event name and facts; never a spec, a token or an answer's body."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "settings"}
_PLAIN: Final = (str, int, float, bool, type(None))


class JsonLines(logging.Formatter):
    """ts, level, logger, event, and whatever plain values were given as extra."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        facts = {
            key: value
            for key, value in vars(record).items()
            if key not in _STANDARD and isinstance(value, _PLAIN)
        }
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **facts,
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Log to standard error; kopf's chatter only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("kopf", "asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # It warns that signals are ours: they are.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
