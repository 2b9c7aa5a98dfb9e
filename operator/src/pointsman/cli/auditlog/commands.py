"""`pointsman audit log`: the ledger's append-only trail, over its API for people.

| exit status |                                                            |
| 0           | shown; with --verify, the chain holds                      |
| 1           | the ledger cannot be asked; with --verify, it is broken    |
| 2           | wrong usage                                                |
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pointsman.cli.listing.page import Column, Page, Table
from pointsman.cli.listing.people import NotAnswered, PeopleApi, people_api
from pointsman.cli.listing.showing import show

Json = Mapping[str, Any]


def audit_log(options: argparse.Namespace) -> int:
    """See the table above."""
    try:
        api = people_api(options)
        if options.verify:
            return _verify(api)
        show(options, lambda: _listed(api, options))
    except NotAnswered as error:
        print(f"pointsman audit log: {error}", file=sys.stderr)
        return 1
    return 0


def _listed(api: PeopleApi, options: argparse.Namespace) -> Page:
    found: list[Json] = []
    after = 0
    while len(found) < options.limit:
        asked = {
            "since": options.since, "until": options.until, "subject": options.subject,
            "limit": min(options.limit - len(found), 1000), "after": after or None,
        }  # fmt: skip
        entries = api.get("audit", asked)["entries"]
        if not entries:
            break
        found += entries
        after = entries[-1]["seq"]
    return page(found)


def page(entries: Sequence[Json]) -> Page:
    """PURE: the newest first."""
    columns = (
        Column("SEQ"), Column("TIME"), Column("ACTOR"), Column("ROLE"), Column("ACTION"),
        Column("SUBJECT"), Column("DETAIL", wide=True), Column("HASH", wide=True),
    )  # fmt: skip
    rows = tuple(
        (
            str(one["seq"]),
            datetime.fromtimestamp(one["at_ms"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            one["actor"], one["role"], one["action"], one["subject"], one["detail"], one["hash"],
        )
        for one in entries
    )  # fmt: skip
    return Page(
        tables=(Table(columns, rows),),
        items=tuple(entries),
        names=tuple(f"audit/{one['seq']}" for one in entries),
        empty="No entry found.",
    )


def _verify(api: PeopleApi) -> int:
    found = api.get("audit/check", {})
    if found["broken"]:
        print(f"broken at {found['broken']}: it, or one before it, is not what was written")
        return 1
    print(f"{found['rows']} entries hold; the last hash is {found['head']}")
    return 0
