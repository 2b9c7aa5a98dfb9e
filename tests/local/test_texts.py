"""`pointsman up` keeps the texts that its files ask for, and no others."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import openai
import pytest

from tests.local.running import up

pytestmark = pytest.mark.local

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "11-kept-texts"


@pytest.mark.parametrize("mode", ["Full", "None"])
def test_texts_are_there_once_it_has_ended(tmp_path: Path, mode: str) -> None:
    """The example, of all requests; an edit back to none would be the same as never."""
    folder, ledger = tmp_path / "desk", tmp_path / "ledger.db"
    shutil.copytree(EXAMPLE, folder)
    policy = folder / "policy.yaml"
    text = policy.read_text().replace("mode: Sampled", f"mode: {mode}")
    policy.write_text(text.replace("    samplePercent: 5\n", ""))
    with up(str(folder), "--port", "0", "--time-scale", "20", "--ledger", str(ledger)) as running:
        url = running.url
        running.wait_for("ready")
        running.wait_for("ledger: at")
        asked = [{"role": "user", "content": "I am ACME-471100, sk-abcdefghijklmnopqrst"}]
        with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=30) as sdk:
            said = sdk.chat.completions.create(model="desk", messages=asked)  # type: ignore[arg-type]
            for _ in sdk.chat.completions.create(model="desk", messages=asked, stream=True):  # type: ignore[arg-type]
                pass
    assert running.process.returncode == 0
    with closing(sqlite3.connect(ledger)) as store:
        texts = store.execute("SELECT prompt, answer, expires_ms - at_ms FROM texts").fetchall()
        seen = store.execute("SELECT signal FROM feedback").fetchall()
    kept = ("user: I am [redacted], [redacted]", said.choices[0].message.content, 72 * 3_600_000)
    assert texts == ([kept] * 2 if mode == "Full" else [])
    assert seen == [("Retry",)]
