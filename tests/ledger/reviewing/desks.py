"""A ledger's HTTP as routers and people call it."""

import hashlib
import http.client
import json
from pathlib import Path
from typing import Any

import msgspec

from pointsman.ledger.people.person import Person

PEOPLE = {"vera": "viewer", "ada": "reviewer", "ben": "reviewer", "otto": "operator"}


def people_file(folder: Path, names: dict[str, str] | None = None) -> Path:
    """Everybody's token is `token of NAME`."""
    file = folder / "people"
    lines = [
        f"{name} {role} {hashlib.sha256(f'token of {name}'.encode()).hexdigest()}"
        for name, role in (names or PEOPLE).items()
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


class Caller:
    """One router, or one person: a connection for each question."""

    def __init__(self, port: int, who: str | Person = "") -> None:
        self.port = port
        self._who = who.name if isinstance(who, Person) else who

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        plain: bool = False,
    ) -> tuple[int, Any]:
        """Status and JSON. OSError and HTTPException where there is no answer."""
        told = {"Authorization": f"Bearer token of {self._who}"} if self._who else {}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body) if body else b""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, data, told | (headers or {}))
            answer = connection.getresponse()
            read = answer.read()
            return answer.status, read.decode() if plain else json.loads(read or b"null")
        finally:
            connection.close()

    def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """With JSON."""
        return self.ask("POST", path, body, {"Content-Type": "application/json"} | headers)

    def get(self, path: str) -> tuple[int, Any]:
        """Without a body."""
        return self.ask("GET", path)
