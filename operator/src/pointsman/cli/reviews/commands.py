"""`pointsman reviews`: the queue of held requests, over the ledger's API for people.

| exit status |                                                                             |
| 0           | shown or done                                                               |
| 1           | refused: somebody else holds it, it has ended, the edit is not valid; or    |
|             | the ledger cannot be asked                                                  |
| 2           | wrong usage                                                                 |
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from pointsman.api.text import Unreadable, text_of
from pointsman.cli.listing.page import Page
from pointsman.cli.listing.people import NotAnswered, PeopleApi, people_api
from pointsman.cli.listing.showing import show
from pointsman.cli.reviews.arguments import DECIDING
from pointsman.cli.reviews.page import in_words, page
from pointsman.ledger.reviews.showing import pretty

Json = Mapping[str, Any]
_DONE = {"claim": "claimed", "release": "released"}


class NotDone(Exception):
    """Why nothing was decided."""


def reviews(options: argparse.Namespace) -> int:
    """See the table above."""
    try:
        api = people_api(options)
        if options.action == "list":
            show(options, lambda: _listed(api, options))
        elif options.action == "show":
            _show(options, api.get(_path(options.id), {}))
        elif options.action in DECIDING:
            _decide(api, options)
        else:
            review = api.post(f"{_path(options.id)}/{options.action}")
            _tell(options, review, _DONE[options.action])
    except (NotAnswered, NotDone) as error:
        print(f"pointsman reviews: {error}", file=sys.stderr)
        return 1
    return 0


def _path(id_: str) -> str:
    return f"reviews/{quote(id_, safe='')}"


def _listed(api: PeopleApi, options: argparse.Namespace) -> Page:
    state = None if options.state == "All" else options.state
    asked = {"state": state, "policy": options.policy, "after": ""}
    found: list[Json] = []
    while len(found) < options.limit:
        answer = api.get("reviews", {**asked, "limit": min(options.limit - len(found), 200)})
        found += answer["reviews"]
        asked["after"] = answer.get("after", "")
        if not asked["after"]:
            break
    return page(found, _now_ms())


def _show(options: argparse.Namespace, found: Json) -> None:
    if options.output in {"json", "yaml"}:
        print(_form(options.output, found), end="")
    elif options.output == "name":
        print(f"review/{found['review']['id']}")
    else:
        print(in_words(found["review"], found["texts"], _now_ms()), end="")


def _decide(api: PeopleApi, options: argparse.Namespace) -> None:
    """Claim, look at what it is about, decide just that."""
    review = api.post(f"{_path(options.id)}/claim")
    asked = review["request_hash"]
    if options.request_hash not in {None, asked}:
        api.post(f"{_path(options.id)}/release")
        raise NotDone(f"it is about another request: its hash is {asked}")
    decision = {"verdict": options.action, "request_hash": asked, "message": options.message}
    if options.action == "edit":
        decision["edited"] = _edited(api, options)
    try:
        found = api.post(f"{_path(options.id)}/decide", decision)
    except NotAnswered as error:
        raise NotDone(f"{error}{_kept(options, decision.get('edited', '').encode())}") from None
    _tell(options, found, str(found["state"]).lower())


def _edited(api: PeopleApi, options: argparse.Namespace) -> str:
    """The text that is to go in place of the one that is held. Raises NotDone."""
    if options.filename:
        try:
            text = text_of(options.filename)
        except Unreadable as error:
            raise NotDone(f"{options.filename} cannot be read: {error}") from None
    else:
        found = api.get(_path(options.id), {})
        stage = found["review"]["stage"]
        held = pretty(found["texts"]["request" if stage == "Request" else "answer"])
        data = _in_editor(held.encode())
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise NotDone(f"the edit is not UTF-8{_kept(options, data)}") from None
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        whole = "; it is the whole request or answer, as `reviews show` has it"
        raise NotDone(
            f"the edit is no JSON: {error}{whole}{_kept(options, text.encode())}"
        ) from None
    return text


def _in_editor(text: bytes) -> bytes:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="pointsman-") as folder:
        path = Path(folder) / "edit.json"
        path.write_bytes(text + b"\n")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603
        except (OSError, ValueError) as error:  # ValueError: a quote that is not closed
            raise NotDone(f"{editor} cannot be started: {error} (-f FILE)") from None
        if done.returncode:
            raise NotDone(f"{editor} ended with {done.returncode}: nothing was decided")
        try:
            found = path.read_bytes()
        except OSError as error:
            raise NotDone(f"{editor} left no file: {error.strerror}") from None
    if found.strip() == text.strip():
        raise NotDone("nothing was edited: approve it, or edit it")
    return found


def _kept(options: argparse.Namespace, data: bytes) -> str:
    """Nobody writes it twice: what came from an editor stays in a file."""
    if options.action != "edit" or options.filename:
        return ""
    try:
        handle, name = tempfile.mkstemp(prefix="pointsman-edit-", suffix=".json")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        return f"; your text could not be kept: {error.strerror}"
    return f"; your text is in {name}: mend it, then -f {name}"


def _tell(options: argparse.Namespace, review: Json, done: str) -> None:
    if options.output in {"json", "yaml"}:
        print(_form(options.output, review), end="")
    else:
        print(f"review/{review['id']}" + ("" if options.output == "name" else f" {done}"))


def _form(form: str, value: Json) -> str:
    if form == "json":
        return json.dumps(value, indent=4, ensure_ascii=False) + "\n"
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
