"""PURE: what an answer took."""


class Usage:
    """Tokens of one answer; `estimated` if the backend did not say."""

    __slots__ = (
        "cached_tokens", "completion_tokens", "estimated", "prompt_tokens", "reasoning_tokens",
    )  # fmt: skip

    def __init__(
        self,
        prompt_tokens: int,
        completion_tokens: int,
        estimated: bool = False,
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.estimated = estimated
        self.cached_tokens = cached_tokens
        """Part of prompt_tokens that the backend had read before."""
        self.reasoning_tokens = reasoning_tokens
        """Part of completion_tokens that is not in the answer."""

    def with_completion(self, tokens: int) -> "Usage":
        """The same with so many tokens of the answer."""
        return Usage(
            self.prompt_tokens, tokens, self.estimated, self.cached_tokens, self.reasoning_tokens
        )

    def _fields(self) -> tuple[int, int, bool, int, int]:
        return (
            self.prompt_tokens,
            self.completion_tokens,
            self.estimated,
            self.cached_tokens,
            self.reasoning_tokens,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Usage{self._fields()!r}"
