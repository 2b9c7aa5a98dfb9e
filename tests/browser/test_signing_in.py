"""Signing in at an OpenID provider, as a browser does it: with its rules for cookies and forms."""

import asyncio
from pathlib import Path

from pointsman.local.processes import free_port
from tests.browser.chromium import Chromium
from tests.ledger.people.provider import CLIENT, SECRET, Provider
from tests.ledger.process import LedgerProcess


def _sign_in(browser: Chromium, origin: str) -> None:
    browser.open(f"{origin}/console/reviews?state=ended")
    browser.shows("Sign in")
    browser.complaints()  # 401
    browser.button("Continue to 127.0.0.1").click()
    browser.shows("rae@example.com")


async def test_a_person_signs_in_where_the_provider_says_and_out(
    browser: Chromium, tmp_path: Path
) -> None:
    """To the page that was asked for; out again, the page asks who it is."""
    (tmp_path / "secret").write_text(SECRET)
    port = free_port()
    origin = f"http://localhost:{port}"  # another site than the provider, to the browser
    async with Provider(f"{origin}/console/callback") as provider:
        ledger = LedgerProcess(
            f"--db={tmp_path / 'ledger.db'}",
            f"--oidc-issuer={provider.url}",
            f"--oidc-client-id={CLIENT}",
            f"--oidc-client-secret-file={tmp_path / 'secret'}",
            f"--console-url={origin}",
            "--role=reviewer=reviewers",
            port=port,
        )
        try:
            await asyncio.to_thread(_sign_in, browser, origin)
            assert browser.driver.current_url == f"{origin}/console/reviews?state=ended"
            cookies = {one["name"]: one for one in browser.driver.get_cookies()}
            assert cookies["pointsman"]["sameSite"] == "Strict"
            assert cookies["pointsman"]["httpOnly"]

            browser.press("Sign out")
            browser.shows("Sign in")
            browser.open(f"{origin}/console/reviews")
            browser.shows("Sign in")
            assert browser.complaints_but(401) == []
        finally:
            ledger.end()
