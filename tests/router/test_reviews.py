"""Requests that people review: OpenAI's own SDK, routers and a ledger as processes."""

import asyncio
import json
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import openai
import pytest

from pointsman.api.reviewing import HumanReview
from tests.router.office import OTHER, REVIEWERS, Office, chat, office

pytestmark = pytest.mark.local


async def test_a_day_at_the_desk(tmp_path: Path) -> None:
    """Approved, edited, rejected; whole and as a stream; a wrong hash changes nothing."""
    async with (
        office(tmp_path, HumanReview(deadline_s=60.0), routers=1) as there,
        there.sdk(max_retries=0) as sdk,
    ):
        waiting = asyncio.create_task(chat(sdk, "answers"))
        review = await there.next()
        wrong = review | {"request_hash": "0" * 64}
        assert await there.decide(wrong, "approve") == 409
        assert [one["id"] for one in await there.pending()] == [review["id"]]
        assert await there.decide(review, "approve") == 200
        assert (await waiting).choices[0].message.content

        waiting = asyncio.create_task(chat(sdk, "answers", "Once more", stream=True))
        review = await there.next()
        _, shown = await there.ask("GET", f"/{review['id']}", None, "ada")
        answer = json.loads(shown["texts"]["answer"])
        answer["choices"][0]["message"]["content"] = "Ask Ada."
        assert await there.decide(review, "edit", edited=json.dumps(answer)) == 200
        parts = [chunk async for chunk in await waiting]
        told = "".join(c.choices[0].delta.content or "" for c in parts if c.choices)
        assert told == "Ask Ada."

        waiting = asyncio.create_task(chat(sdk, "requests"))
        review = await there.next()
        assert await there.decide(review, "reject", message="Not this.") == 200
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await waiting
        assert refused.value.code == "review_rejected"
        assert "Not this." in refused.value.message


@pytest.mark.parametrize("desk", ["answers", "requests"])
@pytest.mark.parametrize("fallback", ["", "large"])
async def test_nobody_is_there(tmp_path: Path, desk: str, fallback: str) -> None:
    """After the deadline: refused, or answered by another, as the policy says."""
    human = HumanReview(deadline_s=1.0, fallback=fallback)
    async with office(tmp_path, human, routers=1) as there, there.sdk(max_retries=0) as sdk:
        if not fallback:
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await chat(sdk, desk)
            assert refused.value.code == "review_timed_out"
            return
        raw = await sdk.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": "Hi"}],
            extra_headers={"x-desk": desk},
        )
        assert raw.headers["x-pointsman-review"] == "timed-out"
        assert raw.headers["x-pointsman-backend"] == "large"


@pytest.mark.parametrize("desk", ["answers", "requests"])
async def test_polls_outlive_the_router_that_promised(tmp_path: Path, desk: str) -> None:
    """202 from one router, which is SIGKILLed; the answer from another, to its caller alone."""
    async with office(tmp_path, HumanReview(deadline_s=60.0)) as there:
        async with there.sdk(max_retries=0) as sdk:
            raw = await sdk.chat.completions.with_raw_response.create(
                model="auto",
                messages=[{"role": "user", "content": "Hi"}],
                extra_headers={"x-desk": desk, "prefer": "respond-async"},
            )
        assert raw.status_code == 202
        there.routers[0].signal(signal.SIGKILL)
        review = await there.next()
        assert raw.headers["location"] == f"/v1/reviews/{review['id']}"
        assert (await there.poll(review["id"], 1, OTHER))[0] == 404
        assert await there.decide(review, "approve") == 200
        status, body = await there.poll(review["id"], 1)
        assert status == 200
        assert json.loads(body)["choices"][0]["message"]["content"]
        assert await there.poll(review["id"], 1) == (200, body)
        assert (await there.poll(review["id"], 1, OTHER))[0] == 404


class Race:
    """Callers, reviewers and a ledger that is killed."""

    def __init__(self, there: Office) -> None:
        self.there = there
        self.decided: dict[str, list[str]] = {}
        self.over = asyncio.Event()

    async def review(self, who: str) -> None:
        """Whatever waits, in a race with the others."""
        while not self.over.is_set():
            try:
                for one in await self.there.pending(who):
                    verdict = "reject" if int(one["request_hash"], 16) % 3 == 0 else "approve"
                    if await self.there.decide(one, verdict, who) == 200:
                        self.decided.setdefault(one["id"], []).append(verdict)
            except (aiohttp.ClientError, OSError, ValueError):
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.05)

    async def call(self, number: int) -> str:
        """One caller, who comes back as an SDK does where that is of use; the header, or a code."""
        async with self.there.sdk(number % 2, max_retries=8) as sdk:
            try:
                raw = await sdk.chat.completions.with_raw_response.create(
                    model="auto",
                    messages=[{"role": "user", "content": f"Request {number}"}],
                    extra_headers={"x-desk": "answers" if number % 4 < 2 else "requests"},
                )
            except openai.PermissionDeniedError as refused:
                return str(refused.code)
            return str(raw.headers["x-pointsman-review"])

    async def kill(self, *at: int) -> None:
        """The ledger, after so many decisions each."""
        for count in at:
            while len(self.decided) < count:  # noqa: ASYNC110 - reviewers are at work
                await asyncio.sleep(0.02)
            await asyncio.to_thread(self.there.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self.there.begin)


@pytest.mark.extended
@pytest.mark.timeout(300)
async def test_two_hundred_requests_and_five_reviewers(tmp_path: Path) -> None:
    """
    The ledger is SIGKILLed twice: each ends in one decision, none is lost, none is answered twice.

    Half of them wait with their answer, half before a model has seen them.
    """
    human = HumanReview(deadline_s=180.0, max_held=1000)
    async with office(tmp_path, human) as there:
        race = Race(there)
        people = [asyncio.create_task(race.review(who)) for who in REVIEWERS]
        killing = asyncio.create_task(race.kill(50, 100))
        try:
            async with asyncio.timeout(250):
                told = Counter(await asyncio.gather(*(race.call(n) for n in range(200))))
                await killing
        finally:
            race.over.set()
            killing.cancel()
            await asyncio.gather(*people, killing, return_exceptions=True)
        assert {len(verdicts) for verdicts in race.decided.values()} == {1}
        assert await there.pending() == []
        states = await there.states()
        assert states == {"Approved": told["approved"], "Rejected": told["review_rejected"]}
        assert sum(states.values()) == 200
