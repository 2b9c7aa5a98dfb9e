"""Routers that are asked about shadows, and a judge; what they say is set by a test."""

from collections.abc import Callable

from msgspec import structs

from pointsman.api.pairs import Pair, Pairs, Side
from pointsman.operator.cluster.doors import Verdict

QUESTION = "Which train leaves first?"


def pair(
    control: str = "The one at eight.",
    candidate: str = "At eight, from track 4.",
    *,
    task: str = "Chat",
    **more: object,
) -> Pair:
    """Both have answered."""
    made = Pair(
        question=QUESTION,
        control=Side(status=200, text=control, finish="stop"),
        candidate=Side(status=200, text=candidate, finish="stop"),
        task=task,
    )
    return structs.replace(made, **more)


def failed(status: int = 500, **more: object) -> Pair:
    """The candidate has not."""
    return structs.replace(pair(), candidate=Side(status=status), **more)


def says(word: str) -> Callable[[str], str]:
    """A judge that says this, whatever it is asked."""
    return lambda _: word


def prefers(part: str) -> Callable[[str], str]:
    """A judge that prefers the answer with this text in it, wherever it stands."""

    def judge(asked: str) -> str:
        first, second = asked.split("<<answer A", 1)[1].split("<<answer B", 1)
        if (part in first) == (part in second):
            return '{"better": "same"}'
        return '{"better": "A"}' if part in first else '{"better": "B"}'

    return judge


class Unseen:
    """One router, `r1`; `tell` what it has of a policy."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Pairs | None]] = {}
        """None: it does not answer."""
        self.judge: Callable[[str], str | None] = says('{"better": "same"}')
        self.tokens: tuple[int | None, int | None] = (100, 10)
        self.asked: list[tuple[str, str]] = []
        """(backend, text) of what the judge was asked."""

    def tell(self, policy: str, told: Pairs, router: str = "r1") -> None:
        """This router says so from now on; its pairs once."""
        self.told.setdefault(policy, {})[router] = told

    async def pairs(self, policy: str) -> dict[str, Pairs | None]:
        found = self.told.get(policy, {})
        self.told[policy] = {
            uid: structs.replace(one, pairs=()) if one is not None else None
            for uid, one in found.items()
        }
        return dict(found)

    async def ask(
        self, backend: str, messages: list[dict[str, str]], max_tokens: int
    ) -> Verdict | None:
        assert max_tokens > 0
        text = messages[-1]["content"]
        self.asked.append((backend, text))
        said = self.judge(text)
        return Verdict(said, *self.tokens) if said is not None else None
