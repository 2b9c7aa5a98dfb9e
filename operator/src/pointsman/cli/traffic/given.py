"""The one request that `pointsman explain` is asked about: a prompt, or a line of a file."""

import argparse
import json
from collections.abc import Sequence
from typing import NamedTuple

from pointsman.analysis import Analysis, Prompt
from pointsman.api.text import Unreadable, text_of
from pointsman.cli.policies import Unusable
from pointsman.cli.traffic.lines import line_of
from pointsman.cli.traffic.seen import BadLine, Read, facts_of, read_line
from pointsman.routing import RequestFacts


class Given(NamedTuple):
    """`model` "": nothing says which is asked for."""

    prompt: Prompt
    model: str
    read: Read | None
    headers: dict[str, str]
    metadata: dict[str, str]
    max_tokens: int

    @property
    def body(self) -> bytes:
        """The request; made of the texts where no line is given."""
        if self.read is not None:
            return self.read.body
        texts = (("system", self.prompt.system), ("user", self.prompt.user))
        messages = [{"role": role, "content": text} for role, text in texts if text]
        length = {"max_tokens": self.max_tokens} if self.max_tokens else {}
        body = {"model": self.model, "messages": messages, **length}
        return json.dumps(body).encode("utf-8", "replace")

    def facts(self, analysis: Analysis) -> RequestFacts:
        """What rules look at; flags win over the line."""
        if self.read is None:
            return RequestFacts(
                analysis=analysis,
                headers=self.headers,
                metadata=self.metadata,
                max_output_tokens=self.max_tokens,
            )
        found = facts_of(self.read, analysis)
        return RequestFacts(
            analysis=analysis,
            headers={**found.headers, **self.headers},
            metadata={**found.metadata, **self.metadata},
            max_output_tokens=self.max_tokens or found.max_output_tokens,
            tools=found.tools,
            images=found.images,
        )


def given(options: argparse.Namespace) -> Given:
    """By the flags. Raises Unusable."""
    headers = _pairs(options.header, ":", "header")
    read = _line(options.request) if options.request else None
    if read is None:
        user = _stdin() if options.prompt == "-" else options.prompt
        prompt = Prompt(
            user=user, system=options.system, total_chars=len(user) + len(options.system), turns=1
        )
    else:
        prompt = read.prompt
    return Given(
        prompt=prompt,
        model=options.model or (read.asked.model if read else ""),
        read=read,
        headers={name.lower(): value for name, value in headers.items()},
        metadata=_pairs(options.metadata, "=", "metadata"),
        max_tokens=options.max_tokens,
    )


def _stdin() -> str:
    try:
        return text_of("-")
    except Unreadable as error:
        raise Unusable(f"--prompt -: {error}") from None


def _pairs(texts: Sequence[str], separator: str, what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise Unusable(f"--{what} {text!r}: expected NAME{separator}VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _line(place: str) -> Read:
    name, colon, number = place.rpartition(":")
    if not colon or not name or not (number.isascii() and number.isdigit() and int(number)):
        raise Unusable(f"--request {place!r}: expected FILE:LINE, such as {place}:1")
    try:
        line = line_of(name, int(number))
    except OSError as error:
        raise Unusable(f"{name}: {error.strerror or error}") from None
    if line is None:
        raise Unusable(f"{name} has no line {number} that is not blank")
    try:
        if line.problem:
            raise BadLine(line.problem)  # noqa: TRY301 - one way for all that is bad
        return read_line(line.data)
    except BadLine as error:
        raise Unusable(f"{place}: {error}") from None
