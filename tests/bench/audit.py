"""What ServiceAccounts asked of the API server, from the API server's own audit log.

Guarantees that every request by a ServiceAccount is there, with how it was judged and by which
role; bodies are not kept, names of objects only of what was refused. Says nothing of users with
certificates, such as the bench's admin.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

RECORD: Final = "POINTSMAN_AUDIT"
"""Names a folder where every bench leaves its uses at its end, for tests.security.rights."""
POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
_ACCOUNT: Final = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_ROLE: Final = re.compile(r' of (Cluster)?Role "([^"]+)"')
_CREATED: Final = 201


class Use(NamedTuple):
    """One thing that an account did or tried."""

    home: str
    """The account's namespace."""
    account: str
    verb: str
    group: str
    resource: str
    """With its part, as in `modelbackends/status`; a path that belongs to no resource as it is."""
    namespace: str
    """Where; empty: in the whole cluster."""
    allowed: bool
    role: str
    """That allowed it; of the cluster if it begins with `cluster:`."""
    name: str = ""
    """Of the object, where it was refused: a right may be to some names only."""


def uses_in(lines: Iterable[str]) -> Iterator[Use]:
    """
    Of the lines of an audit log, a last one that is cut left out.

    The API server asks for `create` beside `patch` where a server-side apply makes an object, and
    does not log that it asks: 201 says that it did.
    """
    for line in lines:
        if not line.endswith("\n"):
            return
        event = json.loads(line)
        who = _ACCOUNT.fullmatch(event["user"]["username"])
        if who is None:
            continue
        use = _use(event, *who.groups())
        yield use
        if use.verb == "patch" and event.get("responseStatus", {}).get("code") == _CREATED:
            yield use._replace(verb="create")


def _use(event: dict[str, Any], home: str, account: str) -> Use:
    about = event.get("objectRef")
    notes = event.get("annotations") or {}
    role = _ROLE.search(notes.get("authorization.k8s.io/reason", ""))
    allowed = notes.get("authorization.k8s.io/decision") == "allow"
    return Use(
        home=home,
        account=account,
        verb=event["verb"],
        group=(about or {}).get("apiGroup", ""),
        resource=_resource(about) if about else event["requestURI"].partition("?")[0],
        namespace=(about or {}).get("namespace", ""),
        allowed=allowed,
        role=f"{'cluster:' if role[1] else ''}{role[2]}" if role else "",
        name="" if allowed else (about or {}).get("name", ""),
    )


def _resource(about: dict[str, Any]) -> str:
    part = about.get("subresource")
    return f"{about['resource']}/{part}" if part else str(about["resource"])


def read(folder: Path) -> set[Use]:
    """Everything so far in a folder of audit logs, the turned ones included."""
    found: set[Use] = set()
    for path in sorted(folder.glob("audit*.log")):
        with path.open() as lines:
            found.update(uses_in(lines))
    return found


def leave(folder: Path) -> None:
    """Where RECORD asks for it, what a bench saw is kept beyond its end."""
    if into := os.environ.get(RECORD):
        kept = Path(into)
        kept.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(use) + "\n" for use in sorted(read(folder)))
        (kept / f"{uuid4().hex}.jsonl").write_text(text)


def left(folder: Path) -> set[Use]:
    """What all benches left there."""
    return {
        Use(*json.loads(line))
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    }
