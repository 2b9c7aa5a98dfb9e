"""From real events to scores: the ledger over HTTP, the draw, its run, and what is left behind."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pointsman.evaluation.running.asking import Reply
from pointsman.evaluation.suite.content import Suite
from pointsman.events.draws import Asked
from pointsman.events.schema import Event, Text
from pointsman.events.ship import Target
from pointsman.operator.cluster.drawing import asking
from pointsman.operator.controllers.drawing import Drawer
from pointsman.operator.controllers.suite_running import Job, SuiteRunning
from pointsman.operator.controllers.suites import SuiteController
from pointsman.operator.errors import Waiting
from tests.ledger.events import batch, feedback, request
from tests.ledger.test_service import ledger
from tests.operator.evaluating.test_drawing import JUDGE, LEDGER, policy
from tests.operator.evaluating.world import Asker, answered
from tests.operator.fake_api import FakeApi
from tests.operator.test_suites import begun, of, suite, told


def kept(number: int, now_ms: int) -> Event:
    text = Text(
        how="Full", prompt=f"user: Secret question {number}", answer=f"Secret answer {number}",
        keep_s=3600,
    )  # fmt: skip
    return request(
        number, at_ms=now_ms, policy="desk", operation="chat/completions", task="Coding", text=text
    )


def says(_: str, text: str) -> Reply:
    """A model whose answers a judge always likes better, wherever they stand."""
    if "<<answer A" not in text:
        return answered("Mine.")
    first = text.index("Mine.") < text.index("<<answer B")
    return answered(json.dumps({"better": "A" if first else "B"}))


async def test_what_callers_judged_becomes_the_score_of_a_model(tmp_path: Path) -> None:
    """Texts reach the model and the judge, and neither the API server nor what is reported."""
    now_ms = int(time.time() * 1000)
    async with ledger(tmp_path) as client:
        said: list[Event] = [
            feedback(1, score=0.9), feedback(2, good=False),
            feedback(3, demonstration="Secret better answer"), feedback(4, score=0.5),
        ]  # fmt: skip
        events = [*[kept(number, now_ms) for number in range(1, 5)], *said]
        client.store.ingest([batch(events)], now_ms)
        api = FakeApi()
        api.put(policy(), suite(ledger=LEDGER, judge=JUDGE))
        drawer = Drawer(api, asking(Target(url=f"http://127.0.0.1:{client.port}")))
        controller = SuiteController(api, drawer=drawer)
        status = await told(api, controller)
        assert (of(status, "Ready")[0], status["draw"]["drawn"]) == ("True", 3)
        (await begun(controller)).cancel()
        found = controller.found("golden")
        assert isinstance(found, Suite)
        asker = Asker()
        asker.says = says
        job = Job(
            backend="small", uid="u", model="m", suite_name="golden", suite=found, run=1,
            price=None, judge="big", judge_price=None, cap_nano=None,
        )  # fmt: skip
        ended = await SuiteRunning(job).run(asker, deadline_s=20.0)
    assert ended.run.ended == "Complete"
    assert [one.score for one in ended.run.evaluations] == [1.0] * 3
    judged = [text for who, text in asker.asked if who == "big"]
    assert len(judged) == 6
    assert sum("Secret better answer" in text for text in judged) == 2
    assert not any("Secret answer 3" in text for text in judged)
    assert "Secret" in str(asker.asked)
    assert "Secret" not in str(api.stored)
    assert "Secret" not in str(ended.run)


async def test_a_ledger_that_answers_nonsense_is_waited_for(tmp_path: Path) -> None:
    """Nobody there, no token, no such endpoint: each with its reason, without a text."""
    token = tmp_path / "token"
    token.write_text("right")
    question = Asked(policy="desk")
    async with ledger(tmp_path, token_file=token) as client:
        url = f"http://127.0.0.1:{client.port}"
        wrong: list[tuple[Any, str]] = [
            (Target(url=url), "answers 401"),
            (Target(url=f"{url}/elsewhere", token_file=token), "answers 404"),
            (Target(url="http://127.0.0.1:9"), "cannot be asked"),
        ]
        for target, words in wrong:
            ask = asking(target)
            assert ask is not None
            with pytest.raises(Waiting, match=words):
                await ask(question)
        good = asking(Target(url=url, token_file=token))
        assert good is not None
        assert (await good(question)).prompts == []
    assert asking(None) is None
