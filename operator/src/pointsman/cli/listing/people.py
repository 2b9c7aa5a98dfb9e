"""The ledger's API for people, asked with one's own token. Whatever goes wrong is one line."""

import argparse
import json
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pointsman.cli.arguments import is_url
from pointsman.cli.ledger import LEDGER, unasked
from pointsman.cli.straight import NoToken, Refused, Unanswered, asked, bearer

TIMEOUT_S: Final = 30.0
MAX_BYTES: Final = 64 * 1024 * 1024
Json = dict[str, Any]


class NotAnswered(Exception):
    """The ledger cannot be asked, or refused; `code` is its own word, such as ClaimedBy."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class PeopleApi:
    """One ledger. Raises NotAnswered."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        if not is_url(url):
            raise NotAnswered(f"--ledger has to be a URL such as {LEDGER}, not {url}")
        self._url = url.rstrip("/")
        try:
            self._headers = bearer(token_file) if token_file is not None else {}
        except NoToken as error:
            raise NotAnswered(f"--token-file {error}") from None

    def get(self, path: str, query: Mapping[str, str | int | None]) -> Json:
        """What it says; values that are None are left out."""
        words = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        return self._ask(f"{path}?{words}", None)

    def post(self, path: str, body: object = None) -> Json:
        """What it says."""
        return self._ask(path, json.dumps(body).encode() if body is not None else b"")

    def _ask(self, path: str, body: bytes | None) -> Json:
        url = f"{self._url}/v1/people/{path}"
        headers = self._headers | {"Content-Type": "application/json"}
        try:
            data = asked(url, timeout_s=TIMEOUT_S, most_bytes=MAX_BYTES, headers=headers, body=body)
            found = json.loads(data)
        except Refused as error:
            raise self._refused(error) from None
        except (Unanswered, ValueError, RecursionError) as error:
            raise NotAnswered(unasked(self._url, error)) from None
        if not isinstance(found, dict):
            raise NotAnswered(f"{self._url} answered something else")
        return found

    def _refused(self, error: Refused) -> NotAnswered:
        try:
            said = json.loads(error.body)
        except (ValueError, RecursionError):
            said = {}
        said = said if isinstance(said, dict) else {}
        reason, where = said.get("reason") or f"{self._url} answered {error}", said.get("where")
        text = f"{reason}, at {where}" if where else str(reason)
        if error.status == 401:
            text += " (--token-file, or $POINTSMAN_TOKEN_FILE)"
        if error.status == 404 and not said:
            text = f"{self._url} has no API for people"
        return NotAnswered(text, str(said.get("code", "")))


def people_api(options: argparse.Namespace) -> PeopleApi:
    """By the flags, else by the environment."""
    url = options.ledger or os.environ.get("POINTSMAN_LEDGER") or LEDGER
    named = options.token_file or os.environ.get("POINTSMAN_TOKEN_FILE")
    return PeopleApi(url, Path(named) if named else None)
