"""A held call, from the SDK that waits for it to the reviewer in the page, and back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.browser.chromium import Chromium
from tests.local.running import up

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "25-human-review"


def _ask(url: str, desk: str) -> ChatCompletion:
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=120) as sdk:
        return sdk.chat.completions.create(
            model="careful",
            messages=[{"role": "user", "content": "May I end my lease early?"}],
            extra_headers={"x-desk": desk},
        )


def test_the_waiting_call_returns_what_the_reviewer_wrote(
    browser: Chromium, tmp_path: Path
) -> None:
    """An edited answer; then a rejected request, which is told with the reviewer's words."""
    db = str(tmp_path / "ledger.db")
    with (
        up(str(EXAMPLE), "--port", "0", "--time-scale", "20", "--ledger", db) as running,
        ThreadPoolExecutor(1) as callers,
    ):
        url = running.url
        running.wait_for("ready")
        console = running.wait_for("console: at ").split()[-1]
        edited = callers.submit(_ask, url, "legal")
        browser.open(f"{console}reviews")
        browser.shows("Rule: legal")
        browser.press("Claim the next one")
        area = browser.find("#text")
        area.clear()
        area.send_keys("Ask a lawyer; here is what the law says.")
        browser.press("Send this text")
        assert edited.result(60).choices[0].message.content == (
            "Ask a lawyer; here is what the law says."
        )

        rejected = callers.submit(_ask, url, "refunds")
        browser.open(f"{console}reviews")
        browser.shows("Rule: refunds")
        browser.press("Claim the next one")
        browser.find("#message").send_keys("We do not pay twice.")
        browser.press("Reject")
        with pytest.raises(openai.PermissionDeniedError, match="We do not pay twice"):
            rejected.result(60)
