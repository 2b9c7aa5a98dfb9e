"""In whose words a refusal is told that no exchange tells: by the path, or the version header.

Guarantees OpenAI's shape for all but what is another API's, which is loaded only then.
"""

from typing import TYPE_CHECKING

from pointsman.router.errors import Problem
from pointsman.router.wire.operation import dialect_of
from pointsman.router.wire.problem import problem_answer
from pointsman.router.wire.received import Head

if TYPE_CHECKING:
    from pointsman.router.wire.translation.dialect import Dialect


def is_anthropics(head: Head) -> bool:
    """True for a request of an SDK of Anthropic's, whatever its path."""
    return any(name == b"anthropic-version" for name, _ in head.headers)


def dialect(target: bytes, head: Head | None = None) -> "Dialect | None":
    """Of the API whose path this is; None for OpenAI's chat and all that is nobody's."""
    name = dialect_of(target)
    if not name and head is not None and is_anthropics(head):
        name = "Messages"
    if not name:
        return None
    from pointsman.router.wire.translation.dialects import DIALECTS  # noqa: PLC0415 - seldom used

    return DIALECTS[name]


def refusal(
    problem: Problem,
    request_id: bytes,
    target: bytes,
    *,
    head: Head | None = None,
    keep_alive: bool = True,
) -> bytes:
    """The whole answer."""
    more, body = b"x-request-id: %b\r\n" % request_id, b""
    found = dialect(target, head)
    if found is not None:
        body = found.problem(problem, request_id)
        more += b"".join(b"%b: %b\r\n" % line for line in found.headers(request_id).items())
    return problem_answer(
        problem,
        body=body,
        more=more,
        keep_alive=keep_alive,
        without_body=head is not None and head.method == b"HEAD",
    )
