"""The ledger's API for people, asked with one's own token. Whatever goes wrong is one line."""

import argparse
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pointsman.cli.ledger import LEDGER
from pointsman.cli.straight import asked as asked_straight

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

    def __init__(self, url: str, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise NotAnswered(f"--ledger has to be a URL such as {LEDGER}")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, query: Mapping[str, str | int | None]) -> Json:
        """What it says; values that are None are left out."""
        asked = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        return self._ask("GET", f"{path}?{asked}", None)

    def post(self, path: str, body: object = None) -> Json:
        """What it says."""
        return self._ask("POST", path, json.dumps(body).encode() if body is not None else b"")

    def _ask(self, method: str, path: str, body: bytes | None) -> Json:
        url = f"{self._url}/v1/people/{path}"
        headers = self._headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - http(s)
        try:
            with asked_straight(request, TIMEOUT_S) as answer:
                found = json.loads(answer.read(MAX_BYTES))
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except (OSError, ValueError) as error:
            raise NotAnswered(
                f"{self._url} cannot be asked: {getattr(error, 'reason', error)}"
            ) from None
        if not isinstance(found, dict):
            raise NotAnswered(f"{self._url} answered something else")
        return found

    def _refused(self, error: urllib.error.HTTPError) -> NotAnswered:
        try:
            said = json.loads(error.read(100_000))
        except (OSError, ValueError):
            said = {}
        said = said if isinstance(said, dict) else {}
        reason, where = said.get("reason") or f"{error.code} {error.reason}", said.get("where")
        text = f"{reason}, at {where}" if where else str(reason)
        if error.code == 401:
            text += " (--token-file, or $POINTSMAN_TOKEN_FILE)"
        if error.code == 404 and not said:
            text = f"{self._url} has no API for people"
        return NotAnswered(text, str(said.get("code", "")))


def people_api(options: argparse.Namespace) -> PeopleApi:
    """By the flags, else by the environment."""
    url = options.ledger or os.environ.get("POINTSMAN_LEDGER") or LEDGER
    named = options.token_file or os.environ.get("POINTSMAN_TOKEN_FILE")
    try:
        token = Path(named).read_text().strip() if named else ""
    except (OSError, UnicodeDecodeError) as error:
        raise NotAnswered(f"the token cannot be read: {error}") from None
    return PeopleApi(url, token)
