"""The page about operating reckons with figures of other pages, and with the chart's defaults."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.docs.snippets import ROOT

PAGE = (ROOT / "docs" / "operating.md").read_text()
LEDGER = (ROOT / "docs" / "ledger.md").read_text()
VALUES: Mapping[str, Any] = yaml.safe_load((ROOT / "charts/pointsman/values.yaml").read_text())


def _requests(part: str) -> tuple[int, int]:
    """Millicores and MiB of all replicas of a part."""
    found = VALUES[part]["resources"]["requests"]
    replicas = VALUES[part]["replicas"]
    cpu, memory = found["cpu"].removesuffix("m"), found["memory"].removesuffix("Mi")
    return replicas * int(cpu), replicas * int(memory)


def test_the_default_installation_asks_for_what_the_page_says() -> None:
    """Each part's requests, and their sum."""
    rows = re.findall(r"^\| (\w+)[^|]*\| (\d+) \| (\d+)m \| (\d+)Mi \|", PAGE, re.MULTILINE)
    told = {name: (int(pods), int(cpu), int(memory)) for name, pods, cpu, memory in rows}
    asked = {name: _requests(name.removesuffix("s")) for name in ("operator", "routers", "ledger")}

    assert {name: told[name][1:] for name in asked} == asked
    assert {name: told[name][0] for name in asked} == {
        name: VALUES[name.removesuffix("s")]["replicas"] for name in asked
    }
    assert told["all"][1:] == tuple(map(sum, zip(*asked.values(), strict=True)))


def test_a_ledger_needs_the_disk_that_the_page_says() -> None:
    """By the bytes of a request that the ledger's page states."""
    stored = re.search(r"for each request \| (\d+) bytes \| (\d+) bytes", LEDGER)
    assert stored is not None
    seconds = VALUES["ledger"]["keepEventsDays"] * 86400
    sqlite, postgres = (int(one) * seconds / 2**30 for one in stored.groups())
    size = int(VALUES["ledger"]["sqlite"]["size"].removesuffix("Gi"))

    assert f"{sqlite:.1f} GiB in SQLite, or {postgres:.1f} GiB in PostgreSQL" in PAGE
    assert f"some {size / sqlite:.0f} requests/s" in PAGE


def test_an_operator_holds_as_many_backends_as_the_page_says() -> None:
    """By the line through what was measured, within its limit."""
    points = [
        (one["backends"], one["rss_mib"])
        for one in json.loads((ROOT / "tests/sim/scale/measured.json").read_text())
    ]
    told = re.search(r"\| (\d+) MiB and (0\.\d+) MiB for each backend.*? some ([\d,]+) \|", PAGE)
    assert told is not None
    base, each = float(told[1]), float(told[2])
    limit = int(VALUES["operator"]["resources"]["limits"]["memory"].removesuffix("Mi"))

    assert all(abs(base + each * number - mib) < 0.05 * mib for number, mib in points)
    most = int(told[3].replace(",", ""))
    assert abs(base + each * most - limit) < 0.05 * limit
