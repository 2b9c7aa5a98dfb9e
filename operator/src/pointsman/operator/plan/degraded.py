"""Degraded of a backend: some router sends it requests, and none is answered. Beside Ready.

Only while it is so. Routers decide it (router/policy/failing.py) and keep to one word for as long
as it lasts, so it costs two writes, or one more for each of their words that most of them say.
"""

from typing import Final

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.objects import Json

_KEY: Final = "its key is refused, see spec.external.credentialsSecretRef"
_NOTHING_THERE: Final = "no connection, see its address, its port and NetworkPolicies"
_LIMIT: Final = "its rate limit is used up"
_LATE: Final = "it takes requests and does not answer in time, see its log and its load"
_NEXT: Final = {
    "Http401": _KEY,
    "Http402": "its account is not paid, or its key is refused",
    "Http403": _KEY,
    "Http404": "it knows no such model or path, see spec.model and its address",
    "Http407": "the proxy on the way to it wants a login",
    "Http429": _LIMIT,
    "RateLimited": _LIMIT,
    "NoCredential": "routers lack its key, see Programmed of the policies that name it",
    "NameUnknown": "its host name does not resolve",
    "AddressRefused": "its host name leads to an address that may not be called",
    "ConnectFailed": _NOTHING_THERE,
    "ConnectRefused": "nothing listens there, see its address and its port",
    "ConnectTimeout": _NOTHING_THERE,
    "ProxyFailed": "the proxy on the way to it does not let requests through",
    "TlsFailed": "it speaks no TLS, or its certificate is not trusted",
    "WrongContentType": "what answers there does not speak the OpenAI API, see its address",
    "FirstTokenTimeout": _LATE,
    "IdleTimeout": _LATE,
}
"""What a router's word for the outcome of an attempt means, or where to look."""


def degraded_by(word: str) -> Condition | None:
    """What is so if requests end with this; None if it is empty."""
    if not word:
        return None
    message = f"one router or more get no answer from it, {word}: "
    message += _NEXT.get(word, "see its log")
    return _condition(message)


def degraded_in(stored: Json) -> Condition | None:
    """What a stored status says of it."""
    for one in stored.get("conditions") or ():
        if one.get("type") == ConditionType.DEGRADED and one.get("status") == "True":
            return _condition(str(one.get("message", "")))
    return None


def _condition(message: str) -> Condition:
    kind = ConditionType.DEGRADED
    return Condition(type=kind, status=True, reason=Reason.REQUESTS_FAIL, message=message)
