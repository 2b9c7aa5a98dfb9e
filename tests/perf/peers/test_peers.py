"""What each peer is told, and that its version is a known one."""

import json
import re

from tests.perf.peers import SLOW, available, locked, portkey, versions

STOLE = ("1.82.7", "1.82.8")


def test_litellm_is_not_a_version_that_stole_credentials() -> None:
    """PyPI's 1.82.7 and 1.82.8 of March 2026."""
    version = versions()["litellm"]

    assert version not in STOLE
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_every_lock_has_hashes_and_no_addresses() -> None:
    """Of all packages."""
    for lock in (locked.ROUTERS, locked.LITELLM):
        text = lock.read_text()
        assert text.count("==") <= text.count("--hash=sha256:")
        assert "://" not in text
    packages = json.loads((portkey.PROJECT / "package-lock.json").read_text())["packages"]
    assert all("integrity" in each for name, each in packages.items() if name)
    assert not any("resolved" in each for each in packages.values())


def test_portkey_is_held_back_from_the_server_that_breaks_its_streams() -> None:
    """@hono/node-server 1.13.8, in what is asked and in what is locked."""
    asked = json.loads((portkey.PROJECT / "package.json").read_text())
    packages = json.loads((portkey.PROJECT / "package-lock.json").read_text())["packages"]

    assert asked["overrides"] == {"@hono/node-server": "1.13.8"}
    assert packages["node_modules/@hono/node-server"]["version"] == "1.13.8"


def test_both_share_requests_among_all_backends() -> None:
    """LiteLLM by its file, without cooldowns; Portkey by a header of one line."""
    settings = json.loads(locked.litellm_settings([1, 2]))
    bases = [each["litellm_params"]["api_base"] for each in settings["model_list"]]
    header = portkey.routing([1, 2])

    assert bases == ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
    assert settings["router_settings"]["disable_cooldowns"] is True
    assert "\n" not in header
    assert [each["custom_host"] for each in json.loads(header)["targets"]] == bases


def test_nothing_is_started_or_installed_that_nobody_asked_for() -> None:
    """Ours only, without a word about the others."""
    assert available(["plain"]).keys() == {"plain"}
    assert not set(SLOW) & available(["direct", "tasks"]).keys()
