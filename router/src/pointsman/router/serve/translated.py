"""A routed request of another API: a chat to everything but its caller.

Guarantees that its caller never sees a byte in OpenAI's chat shape, errors included. What a backend
said is read where it leaves, so that accounting, capture and the commit rule see the chat itself.
Loaded with the first such request.
"""

from typing import TYPE_CHECKING, cast

from pointsman.router.errors import BadRequest, Problem, UpstreamBroken
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve.decision import decision_lines
from pointsman.router.serve.exchange import Exchange
from pointsman.router.wire.openai import read_answer, read_chat
from pointsman.router.wire.operation import CHAT, Operation
from pointsman.router.wire.problem import problem_answer
from pointsman.router.wire.received import Request
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.translation.dialect import Asking, Dialect, Speaker, Untranslatable
from pointsman.router.wire.translation.dialects import DIALECTS
from pointsman.router.wire.usage import Usage

if TYPE_CHECKING:
    from pointsman.router.serve.client import Client
    from pointsman.router.serve.plane import Plane


class TranslatedExchange(Exchange):
    """See the module; `thinks` is what the caller says of thinking."""

    __slots__ = ("_asking", "_dialect", "_speaker", "thinks")
    translated = True

    def __init__(
        self,
        plane: "Plane",
        client: "Client",
        request: Request,
        operation: Operation,
        now_s: float,
    ) -> None:
        super().__init__(plane, client, request, CHAT, now_s)
        self.thinks: bool | None = None
        self._dialect: Dialect = DIALECTS[operation.dialect]
        self._asking: Asking | None = None
        self._speaker: Speaker | None = None

    def read(self) -> None:
        """The body as a chat's, and what it asks for; raises BadRequest."""
        request = self.request
        if self._asking is not None:  # of who came before: it is in a chat's words already
            self._take(self._asking)
            return
        self._asking = asking = self._dialect.read(request.body, request.head.headers)
        if len(asking.body) > self.plane.limits.body_bytes:  # each part has more words there
            raise BadRequest("The request is too large as a chat.", status=413)
        self.request = Request(request.head, asking.body, request.verdict)
        self._take(asking)

    def _take(self, asking: Asking) -> None:
        self.thinks = asking.thinks
        asked = read_chat(self.request.body)
        if asking.metadata is not None:
            asked.metadata = asking.metadata
        self.asked = asked

    def _speaking(self) -> Speaker:
        speaker = self._speaker
        if speaker is None:
            assert self._asking is not None
            self._speaker = speaker = self._dialect.speaker(
                self._asking,
                id=self.decision_id.decode(),
                now_s=int(self.plane.wall()),
                prompt_tokens=self.analysis.context_tokens,
            )
        return speaker

    def _with_own(self, headers: dict[bytes, bytes]) -> dict[bytes, bytes]:
        return {**headers, **self._dialect.headers(self.request_id)}

    def answer_whole(self, headers: dict[bytes, bytes], body: bytes, usage: Usage) -> None:
        """A chat answer of which nothing was sent yet, in the caller's words."""
        told = self.told(body, usage)
        if told is None:
            return
        super().commit(200, self._with_own(headers), len(told), told)
        self.complete()

    def told(self, body: bytes, usage: Usage) -> bytes | None:
        """A whole chat answer in the caller's words; None: it cannot be, and has failed."""
        speaker, self._speaker = self._speaking(), None
        try:
            return speaker.whole(body, usage)
        except Untranslatable as error:
            self.usage, self.said, self.end = None, NO_ANSWER, b""  # nobody gets it, nobody pays
            # What the model said, not how its server works: it tells against no endpoint, and the
            # same question is no better asked again.
            self.fail(Fault(Kind.ERROR, "Untranslatable", str(error), retryable=False))
            return None

    def tell(self, answer: bytes) -> None:
        """A whole chat answer that a person let through; nobody else answers in its place."""
        usage = read_answer(answer)[1] or self.usage or Usage(0, 0)
        try:
            told = self._speaking().whole(answer, usage)
        except Untranslatable as error:
            message = f"What the reviewer wrote cannot be told: {error}."
            self.refuse(UpstreamBroken(502, message, code="review_untellable"))
            return
        super().commit(200, self._with_own({}), len(told), told)
        self.complete()

    def succeeded_by(self, body: bytes) -> "TranslatedExchange":
        """See Exchange; `body` is a chat's."""
        further = cast("TranslatedExchange", super().succeeded_by(body))
        further._asking = self._asking
        return further

    def commit(
        self, status: int, headers: dict[bytes, bytes], length: int | None, data: bytes
    ) -> None:
        """The beginning of a stream, or a backend's refusal."""
        headers = self._with_own(headers)
        if status >= 300:
            told = self._dialect.refusal(status, data, self.request_id)
            super().commit(status, headers, len(told), told)
            return
        speaker = self._speaking()
        super().commit(status, headers, length, speaker.feed(data))
        self._check(speaker)

    def relay(self, data: bytes) -> None:
        """More of a chat stream."""
        speaker = self._speaking()
        told = speaker.feed(data)
        if told:
            super().relay(told)
        self._check(speaker)

    def _check(self, speaker: Speaker) -> None:
        if speaker.broken and self.attempt is not None:
            self.attempt.failed(Fault(Kind.ERROR, "Malformed", speaker.broken, retryable=False))

    def may_end_soon(self) -> None:
        """See Exchange; a stream that cannot be told has ended already."""
        if not self.over:
            super().may_end_soon()

    def complete(self) -> None:
        """See Exchange."""
        if self.streamed:
            told = self._speaking().finish()
            if told:
                super().relay(told)
        super().complete()

    def error_event(self, message: str, code: str) -> bytes:
        """See Exchange."""
        return self._speaking().fail(message, code)

    def problem_answer(self, problem: Problem) -> bytes:
        """See Exchange."""
        return problem_answer(
            problem,
            body=self._dialect.problem(problem, self.request_id),
            more=decision_lines(self, self._dialect.headers(self.request_id)),
            keep_alive=self.client.keep_alive,
        )
