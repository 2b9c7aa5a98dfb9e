"""A fit in a process of its own: what it leads to, and that it cannot hold anybody up."""

import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from pointsman.analysis.predictor import encode
from pointsman.operator.cluster.fitting import fit
from pointsman.operator.errors import Waiting
from pointsman.operator.fitter import fitted
from pointsman.operator.plan.learning import Job, Wish, job_of
from tests.operator.learning import label

WISH = Wish(
    models={"a": ("Qwen", "qwen"), "b": ("Kimi", "kimi")}, min_samples=20, half_life_s=86_400.0
)
QUESTIONS = ("Write a Python function that sorts a list.", "How do I undo a commit?")


def job(*, good: str) -> Job:
    """Forty answers each; those of one are good."""
    labels = [
        label(2 * number + one, backend, float(backend == good), task="Coding",
              complexity="Simple", domain="Software", language="en",
              text=QUESTIONS[number % 2] if number % 3 else "")
        for number in range(40)
        for one, backend in enumerate("ab")
    ]  # fmt: skip
    return job_of(WISH, labels, 100.0)


@pytest.mark.slow
async def test_the_process_fits_as_the_function_does() -> None:
    """Bit by bit, so that equal labels write no table; and who was good is found."""
    asked = job(good="b")
    found = await fit(asked)
    assert found == fitted(asked)
    assert found.weights is not None
    assert encode(found.weights) == encode(fitted(asked).weights)  # type: ignore[arg-type]
    assert found.samples == {"a": 40, "b": 40}
    assert found.learned() is not None


async def test_without_labels_nothing_is_fitted() -> None:
    """What is published counts."""
    assert fitted(job_of(WISH, [], 0.0)).weights is None


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no such thing')", "ended with 1: ValueError: no such thing"),
        ("print('hello')", "answer is none"),
    ],
)
async def test_a_process_that_fails_is_told(code: str, why: str) -> None:
    """By its last line."""
    with pytest.raises(Waiting, match=why):
        await fit(job(good="a"), fitter=(sys.executable, "-c", code))


@pytest.mark.slow
async def test_a_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """And waited for."""
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    began_s = time.monotonic()
    with pytest.raises(Waiting, match="took longer than 1 s"):
        await fit(job(good="a"), fitter=(sys.executable, "-c", code), deadline_s=1.0)
    assert time.monotonic() - began_s < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), signal.SIG_DFL)


def test_a_job_survives_its_way() -> None:
    """As JSON."""
    asked = job(good="a")
    assert msgspec.json.decode(msgspec.json.encode(asked), type=Job) == asked
