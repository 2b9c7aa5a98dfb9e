"""A router tells which of its backends answer nothing, from what requests meet."""

from pointsman.router.policy.failing import SINCE_S
from pointsman.router.serve.failing import Failing
from tests.router.serve.test_fallback import answers
from tests.router.serve.world import World, chat


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self, there: World) -> None:
        self.now_s = 0.0
        self._there = there
        self._failing = Failing(there.live, there.metrics, lambda: self.now_s)

    async def asked(self, times: int) -> dict[str, str]:
        """What is told after so many requests, half as long apart as it takes to fail."""
        for _ in range(times):
            await self._there.ask(chat())
            self._failing.told()
            self.now_s += SINCE_S / 2
        return self._failing.told()


async def test_a_backend_that_lacks_its_key_and_one_that_fails_are_told(there: World) -> None:
    """Of each route, and not the one that answers in their place."""
    await there.simulator("good")
    there.external("cloud", "https://api.example.com/v1")
    await there.scripted("broken", answers(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"))
    there.route("cloud", "broken", "good")
    clock = Clock(there)

    assert await clock.asked(2) == {}
    assert await clock.asked(4) == {"cloud": "NoCredential", "broken": "Http500"}


async def test_a_provider_that_knows_no_such_model_is_told_until_it_does(there: World) -> None:
    """Its 404 is relayed to callers as it is, and counts as no answer here."""
    await there.simulator("small", model="another")
    there.route("small")
    clock = Clock(there)
    assert (await there.ask(chat())).status == 404
    assert await clock.asked(6) == {"small": "Http404"}

    await there.simulator("small")
    there.route("small", revision="r2")
    assert (await there.ask(chat())).status == 200
    assert await clock.asked(1) == {}


async def test_what_the_caller_got_wrong_is_an_answer(there: World) -> None:
    """A backend that refuses bad requests works."""
    refusal = b'{"error": {"message": "no", "type": "invalid_request_error"}}'
    head = b"HTTP/1.1 400 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    await there.scripted("strict", answers(head % len(refusal) + refusal))
    there.route("strict")

    assert await Clock(there).asked(6) == {}
    assert there.live.failing() == {}
