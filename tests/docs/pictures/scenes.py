"""The five pictures: a request, an edit, a rollout, drift, people."""

from typing import Final

from tests.docs.pictures.draw import Arrow, Box, Kind, Picture, Words

_STEPS: Final = (
    ("authenticate", "whose key"),
    ("read, resolve", "which policy"),
    ("analyze", "task, language"),
    ("decide", "rule, targets"),
    ("review", "must it wait"),
    ("limit, spend", "is it allowed"),
)


def _chain(steps: tuple[tuple[str, str], ...], x: int, y: int, kind: Kind) -> list[Box | Arrow]:
    parts: list[Box | Arrow] = []
    for number, (title, line) in enumerate(steps):
        left = x + number * 132
        parts.append(Box(left, y, 116, 50, title, (line,), kind))
        if number:
            parts.append(Arrow(((left - 16, y + 25), (left - 1, y + 25))))
    return parts


REQUEST: Final = Picture(
    "request",
    1000,
    425,
    "A request goes from an application through the layers of the router to a model, and back.",
    (
        Box(30, 30, 190, 56, "application", ("OpenAI SDK, one base URL",), "outside"),
        Arrow(((125, 86), (125, 150)), "model: auto", (170, 120)),
        Words(900, 140, "router", strong=True),
        *_chain(_STEPS, 68, 152, "ours"),
        Arrow(((844, 177), (900, 177), (900, 228))),
        Box(842, 230, 116, 50, "attempt", ("one endpoint",), "ours"),
        Box(660, 340, 140, 56, "model A", ("fails or is slow",), "bad"),
        Box(830, 340, 140, 56, "model B", ("next in the chain",), "good"),
        Arrow(((870, 280), (730, 338)), "1", (785, 304), dashed=True),
        Arrow(((905, 280), (905, 338)), "2", (918, 312)),
        Box(560, 230, 200, 50, "relay", ("bytes, as they come",), "ours"),
        Arrow(((841, 255), (762, 255)), "answer", (802, 246)),
        Box(310, 230, 200, 50, "settle, account, charge", ("what it used",), "ours"),
        Arrow(((559, 255), (512, 255))),
        Arrow(((650, 230), (650, 215), (50, 215), (50, 88)), "answer, and who gave it", (150, 231)),
        Box(310, 340, 200, 56, "ledger", ("decision, tokens, cost",), "plain"),
        Arrow(((410, 280), (410, 338)), "events, later", (458, 312), dashed=True),
        Words(150, 330, "Until the first content byte"),
        Words(150, 348, "another model may answer;"),
        Words(150, 366, "after it, never silently."),
    ),
)

EDIT: Final = Picture(
    "edit",
    1000,
    400,
    "An edit goes from YAML by the operator into a table, then to the routers, which acknowledge.",
    (
        Box(30, 40, 170, 56, "you, or Git", ("kubectl apply, a sync",), "person"),
        Arrow(((200, 68), (258, 68)), "YAML", (228, 60)),
        Box(260, 40, 200, 56, "API server", ("CRD and CEL rules",), "plain"),
        Arrow(((460, 68), (538, 68)), "watch", (498, 60)),
        Box(
            540,
            30,
            250,
            76,
            "operator",
            ("observe, plan, apply once;", "one leads, by a Lease"),
            "ours",
        ),
        Arrow(((665, 106), (665, 158)), "revision, blobs, manifest", (750, 136)),
        Box(540, 160, 250, 56, "routing table", ("ConfigMaps, named by content",), "plain"),
        Arrow(((620, 216), (160, 278)), "watch", (350, 240)),
        Arrow(((665, 216), (505, 278))),
        Arrow(((710, 216), (850, 278))),
        *(
            Box(
                x,
                280,
                260,
                76,
                f"router {number}",
                ("checks hashes;", "switches between two requests"),
                "ours",
            )
            for number, x in ((1, 30), (2, 370), (3, 710))
        ),
        Words(160, 378, "or refuses, with a reason"),
        Words(500, 378, "keeps the last table on its disk"),
        Words(840, 378, "serves without the operator, too"),
        Arrow(((960, 280), (960, 52), (792, 52)), "acks: revision, hash", (876, 44), dashed=True),
        Arrow(((540, 94), (462, 94)), "status", (500, 110)),
        Words(360, 130, "Programmed=True only when"),
        Words(360, 148, "every router said so"),
    ),
)

ROLLOUT: Final = Picture(
    "rollout",
    1000,
    380,
    "A candidate goes through tests, replay, shadow and steps, and is promoted or rolled back.",
    (
        Box(20, 40, 120, 56, "edit", ("a new spec",), "person"),
        Arrow(((140, 68), (168, 68))),
        Box(170, 40, 130, 56, "tests", ("prompt, expected",), "ours"),
        Arrow(((300, 68), (328, 68))),
        Box(330, 40, 130, 56, "replay", ("recent requests",), "ours"),
        Arrow(((460, 68), (488, 68))),
        Box(490, 40, 130, 56, "shadow", ("unseen, judged",), "ours"),
        Arrow(((620, 68), (648, 68))),
        Box(650, 40, 130, 56, "steps", ("5 %, 25 %, ...",), "ours"),
        Arrow(((780, 68), (838, 68)), "Pass", (808, 60)),
        Box(840, 40, 140, 56, "Promoted", ("all requests",), "good"),
        Words(
            395,
            124,
            "tests always run if there are any; replay, shadow and steps as spec.rollout says",
        ),
        Arrow(((690, 96), (690, 158))),
        Box(
            580,
            160,
            215,
            76,
            "guardrails",
            ("intervals, against a control", "that runs at the same time"),
            "plain",
        ),
        Arrow(((795, 198), (838, 198)), "Fail", (815, 190)),
        Box(840, 170, 140, 56, "RolledBack", ("by re-pointing",), "bad"),
        Arrow(((640, 236), (560, 288)), "no traffic, doubt", (535, 266)),
        Box(400, 290, 220, 56, "Paused", ("a person goes on or aborts",), "person"),
        Arrow(((760, 236), (790, 288)), "approval: Manual", (840, 262)),
        Box(700, 290, 220, 56, "AwaitingApproval", ("bound to the revision's hash",), "person"),
        Box(
            20,
            170,
            280,
            76,
            "in force meanwhile",
            ("the revision before: it answers everybody", "who is not in the step's share"),
            "good",
        ),
        Words(160, 290, "Refused by tests: never in force,"),
        Words(160, 308, "the reason is in status."),
    ),
)

DRIFT: Final = Picture(
    "drift",
    1000,
    330,
    "Golden prompts find drift; weights are chosen anew; the result takes the way of an edit.",
    (
        Box(
            20, 40, 160, 76, "golden prompts", ("asked on a schedule,", "through a router"), "ours"
        ),
        Arrow(((180, 78), (208, 78))),
        Box(210, 40, 160, 76, "detector", ("1 % false alarms", "in the whole stream"), "ours"),
        Arrow(((370, 78), (418, 78)), "Worse", (394, 70)),
        Box(420, 40, 160, 76, "Drifted", ("condition, Event,", "alert"), "bad"),
        Arrow(((580, 78), (628, 78))),
        Box(
            630,
            40,
            170,
            76,
            "re-evaluation",
            ("other weights, within", "what the policy allows"),
            "ours",
        ),
        Arrow(((715, 116), (715, 178)), "candidate, with reasons", (800, 152)),
        Box(630, 180, 170, 56, "tests, rollout", ("as for an edit",), "ours"),
        Arrow(((800, 208), (838, 208))),
        Box(840, 180, 140, 56, "Promoted", ("Ready again",), "good"),
        Arrow(((630, 208), (582, 208))),
        Box(410, 180, 170, 56, "refused", ("not proposed again",), "bad"),
        Box(
            820, 40, 160, 76, "or Quarantine", ("no request of this", "policy goes there"), "plain"
        ),
        Arrow(((800, 78), (818, 78)), dashed=True),
        Arrow(
            ((910, 236), (910, 288), (322, 288)),
            "pointsman adopt: the learned weights as YAML",
            (620, 280),
            dashed=True,
        ),
        Box(140, 260, 180, 56, "you", ("commit them, or not",), "person"),
        Words(200, 150, "A detector that has no data says so"),
        Words(200, 168, "(Unknown), and nothing is changed."),
    ),
)

PEOPLE: Final = Picture(
    "people",
    1000,
    360,
    "Where a person decides: models, edits, rollouts, single requests, and what was learned.",
    (
        *(
            Box(20 + number * 194, 40, 178, 76, title, lines, "ours")
            for number, (title, lines) in enumerate(
                (
                    ("a model", ("before it is let in", "governance.approval")),
                    ("an edit", ("before it is merged", "check, simulate")),
                    ("a rollout", ("before a step or the end", "approval: Manual")),
                    ("a request", ("before or after an answer", "review: Hold, Flag")),
                    ("what was learned", ("after a drift", "pointsman adopt")),
                )
            )
        ),
        *(Arrow(((109 + number * 194, 160), (109 + number * 194, 118))) for number in range(5)),
        *(
            Box(20 + number * 194, 162, 178, 76, title, lines, "person")
            for number, (title, lines) in enumerate(
                (
                    ("approver", ("commits an approval;", "it ends by its date")),
                    ("owner", ("reads what would go", "elsewhere, and its cost")),
                    ("operator on duty", ("console, kubectl,", "or an annotation")),
                    ("reviewer", ("approves, edits, rejects", "in the queue")),
                    ("owner", ("commits the weights,", "or leaves them learned")),
                )
            )
        ),
        *(
            Words(109 + number * 194, 262, text)
            for number, text in enumerate(
                (
                    "nobody: no traffic to it",
                    "nobody: nothing changes",
                    "nobody: it waits",
                    "nobody: onTimeout",
                    "nobody: stays learned",
                )
            )
        ),
        Box(
            100,
            292,
            800,
            44,
            "the ledger's audit trail has reviews, rollouts and sign-ins; Git has the rest",
            (),
            "plain",
        ),
    ),
)

PICTURES: Final = (REQUEST, EDIT, ROLLOUT, DRIFT, PEOPLE)
