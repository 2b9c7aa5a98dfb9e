"""A day of a support desk: PURE, the same prompts for the same seed.

Every prompt is put together from phrases written for this demo. The class is what a person at the
desk would call it; the router never sees it and has to find out by itself.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pointsman.api.tasks import Task


class DeskClass(StrEnum):
    """What a person at the desk would call a request."""

    FAQ = "simple FAQ"
    BUG = "technical bug report"
    HISTORY = "long account history"
    LANGUAGE = "other language"


TRUE_TASK = {
    DeskClass.FAQ: Task.CHAT,
    DeskClass.BUG: Task.CODING,
    DeskClass.HISTORY: Task.LONG_CONTEXT,
    DeskClass.LANGUAGE: Task.MULTILINGUAL,
}
SHARE = {
    DeskClass.FAQ: 0.66,
    DeskClass.BUG: 0.18,
    DeskClass.HISTORY: 0.03,
    DeskClass.LANGUAGE: 0.13,
}
"""Shares of the day; a desk answers mostly simple questions."""
ANSWER_TOKENS = {
    DeskClass.FAQ: 120,
    DeskClass.BUG: 300,
    DeskClass.HISTORY: 250,
    DeskClass.LANGUAGE: 120,
}
"""Length of the answer that the desk asks for (`max_tokens`), the same of every model."""


@dataclass(frozen=True, slots=True)
class DeskRequest:
    """One request of the day."""

    number: int
    desk_class: DeskClass
    prompt: str
    stream: bool
    at: float
    """Time of day as a share of the day, in [0, 1)."""


_WHAT = (
    "my invoice", "the annual plan", "my team's seats", "the free trial", "two-factor sign-in",
    "my password", "the mobile app", "the weekly report email", "my billing address",
    "the export button", "a shared workspace", "the status page", "my profile picture",
    "guest access", "the calendar sync", "my data retention setting",
)  # fmt: skip
_ASK = (
    "How do I change {}?", "Where can I find {}?", "What happens to {} when I cancel?",
    "Hi, can you help me with {}?", "Is there a way to turn off {} for one user?",
    "Who can see {} in my company?", "Why did {} disappear since yesterday?",
    "Could you explain what {} includes?",
)  # fmt: skip
_TAIL = (
    "", " Thanks!", " I am on the Team plan.", " It is not urgent.", " My order number is {n}.",
    " I asked last week already.", " Please keep it short.",
)  # fmt: skip

_ERRORS = (
    "TypeError: unsupported operand type(s) for +: 'NoneType' and 'int'",
    "KeyError: 'customer_id'",
    "ConnectionResetError: [Errno 104] Connection reset by peer",
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    "asyncio.exceptions.TimeoutError",
    "sqlite3.OperationalError: database is locked",
)
_CALLS = (
    "client.export(workspace_id, since=cursor)", "total = total + page['count']",
    "webhook.verify(request.headers['X-Signature'], body)", "rows = list(api.contacts.iterate())",
    "await session.post('/v2/events', json=batch)", "return json.loads(response.text)",
)  # fmt: skip
_FUNCTIONS = ("sync_contacts", "nightly_export", "handle_webhook", "import_csv", "push_events")

_LANGUAGES = (
    ("Wie kann ich {} ändern, ohne die Einstellungen für mein ganzes Team zu verlieren?",
     ("meine Rechnung", "das Passwort", "den Tarif", "die Adresse")),
    ("Hallo, seit gestern wird {} nicht mehr angezeigt. Können Sie mir bitte helfen?",
     ("der Bericht", "mein Konto", "die Liste der Nutzer", "der Kalender")),
    ("Bonjour, je ne trouve plus {} dans mon espace, pouvez-vous me dire où il se trouve ?",
     ("le rapport", "mon abonnement", "le bouton d'exportation", "mon profil")),
    ("¿Cómo puedo cambiar {} sin perder los datos de mi equipo?",
     ("mi factura", "la contraseña", "el plan anual", "la dirección")),
    ("Desde ayer no puedo ver {} y necesito una respuesta hoy, por favor.",
     ("mis facturas", "el calendario", "los informes", "mi cuenta")),
    ("Buongiorno, non riesco più a trovare {} nella mia area: come posso fare?",
     ("la fattura", "il rapporto", "il mio profilo", "il calendario")),
    ("請問我要怎麼更改{}?謝謝您的幫忙。", ("帳單地址", "密碼", "方案", "通知設定")),
    ("{}の変更方法を教えてください。よろしくお願いします。",
     ("請求書", "パスワード", "プラン", "メール通知")),
    ("Как мне изменить {} и не потерять данные моей команды?",
     ("счёт", "пароль", "тариф", "адрес")),
    ("Jak mogę zmienić {} bez utraty danych mojego zespołu?",
     ("fakturę", "hasło", "abonament", "adres")),
    ("Olá, não consigo encontrar {} na minha conta desde ontem, podem ajudar?",
     ("a fatura", "o relatório", "o calendário", "a lista de usuários")),
)  # fmt: skip

_EVENTS = (
    "invoice {n} sent to the billing contact", "seat added for user {n}",
    "ticket {n} closed by agent, customer replied within the hour",
    "plan changed from Team to Business, prorated amount {n} cents",
    "payment {n} failed, card expired, retried after three days",
    "workspace export {n} finished, 14 files", "call with customer, note {n} attached",
    "credit of {n} cents granted after an outage", "sign-in from a new device, confirmed by mail",
)  # fmt: skip


def _faq(dice: random.Random) -> str:
    ask = dice.choice(_ASK).format(dice.choice(_WHAT))
    return ask + dice.choice(_TAIL).format(n=dice.randrange(10_000, 99_999))


def _bug(dice: random.Random) -> str:
    function, line = dice.choice(_FUNCTIONS), dice.randrange(12, 400)
    return (
        f"Our integration fails since version 4.{dice.randrange(2, 19)}. The stack trace is:\n"
        "```\nTraceback (most recent call last):\n"
        f'  File "{function}.py", line {line}, in {function}\n    {dice.choice(_CALLS)}\n'
        f"{dice.choice(_ERRORS)}\n```\n"
        f"What is wrong in {function}(), and how do I fix it without losing events?"
    )


def _history(dice: random.Random) -> str:
    lines = [
        f"20{dice.randrange(19, 26)}-{1 + i % 12:02}-{1 + i % 28:02} "
        + dice.choice(_EVENTS).format(n=dice.randrange(1_000, 9_999_999))
        for i in range(dice.randrange(900, 1_100))
    ]
    return (
        "Below is the account's full history. Which credits were granted, why, and is one owed "
        "for the last outage?\n\n" + "\n".join(lines)
    )


def _language(dice: random.Random) -> str:
    pattern, things = dice.choice(_LANGUAGES)
    return pattern.format(dice.choice(things))


_WRITE: dict[DeskClass, Callable[[random.Random], str]] = {
    DeskClass.FAQ: _faq,
    DeskClass.BUG: _bug,
    DeskClass.HISTORY: _history,
    DeskClass.LANGUAGE: _language,
}


def _time_of_day(dice: random.Random) -> float:
    """Office hours carry most of the traffic: a triangle from 6 to 22 o'clock, peak at 11."""
    return dice.triangular(6 / 24, 22 / 24, 11 / 24)


def day(count: int, *, seed: int = 1) -> tuple[DeskRequest, ...]:
    """`count` requests in the order of their time of day; every second one asks for a stream."""
    dice = random.Random(seed)  # noqa: S311 - a reproducible day, no secret
    classes: list[DeskClass] = []
    for desk_class, share in SHARE.items():
        classes += [desk_class] * max(1, round(count * share))
    classes = (classes + [DeskClass.FAQ] * count)[:count]
    times = sorted(_time_of_day(dice) for _ in range(count))
    dice.shuffle(classes)
    return tuple(
        DeskRequest(i, desk_class, _WRITE[desk_class](dice), i % 2 == 0, at)
        for i, (desk_class, at) in enumerate(zip(classes, times, strict=True))
    )
