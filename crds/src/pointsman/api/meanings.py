"""What each condition and each reason of a kind's status means, for the pages about the kinds.

Complete by test: every status that a test of the operator makes uses only what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.api.conditions import ConditionType, Reason
from pointsman.api.names import EVALUATION_SUITE, MODEL_BACKEND, ROUTING_POLICY


@dataclass(frozen=True, slots=True)
class Meaning:
    """The words of one kind; a reason's text goes on with what to do where there is something."""

    conditions: Mapping[ConditionType, str]
    reasons: Mapping[Reason, str]


_WAITS = "Present only while True: not Ready, and it will go on by itself."
_STUCK = "Present only while True: not Ready, and a person is needed."

MEANINGS: Final[Mapping[str, Meaning]] = {
    MODEL_BACKEND: Meaning(
        conditions={
            ConditionType.READY: "What was asked for answers, and routers can send to it: every "
            "replica of this spec, an endpoint, or an allowed address.",
            ConditionType.AVAILABLE: "Something answers; it may be less than was asked for.",
            ConditionType.PROGRESSING: "A rollout is under way; only with `deployment`.",
            ConditionType.SCALING_ACTIVE: "The load is known and the operator sets the replicas by "
            "it; only with scaling mode QueueDepth.",
            ConditionType.VETTED: "Its approval holds now; only where it has `governance`, or a "
            "policy that names it requires approval. Beside Ready: routers keep to it.",
            ConditionType.DEGRADED: "Present only while True: one router or more send it "
            "requests, and got no answer for two minutes or longer. Neutral: what was asked for is "
            "there. It goes with the first answer, or when nobody asked for 10 minutes.",
            ConditionType.DRIFTED: "Its answers are not what they were; only with `evaluation` or "
            "`drift`. Neutral: such a backend may well be Ready.",
            ConditionType.EVALUATED: "The last run of its golden prompts is whole, and "
            "`status.quality` says what it found; only with `evaluation`. Neutral: whether it "
            "serves has nothing to do with it.",
            ConditionType.RECONCILING: _WAITS,
            ConditionType.STALLED: _STUCK,
        },
        reasons={
            Reason.APPROVED: "Somebody approved it; the message says who, and until when.",
            Reason.NOT_APPROVED: "It has no `governance.approval`.",
            Reason.APPROVAL_NOT_BEGUN: "Its `approvedAt` is in the future.",
            Reason.APPROVAL_EXPIRED: "Its `expiresAt` is over: vet it again (`pointsman vet`).",
            Reason.READY: "Every replica of this spec answers; with scaling mode QueueDepth as "
            "many as `minReplicas` do, and others may be on their way.",
            Reason.EXTERNAL: "Requests go to the URL's host; nothing runs here.",
            Reason.ENDPOINTS_AVAILABLE: "The Service has ready endpoints on this port.",
            Reason.SCALED_TO_ZERO: "`replicas` is 0: asked for, so Ready, but nothing answers.",
            Reason.PROGRESSING: "Deployment and Service are being made, or replicas replaced; or "
            "they cannot be written yet, and the message says why.",
            Reason.ROLLOUT_COMPLETE: "Every replica runs this spec.",
            Reason.MINIMUM_REPLICAS_AVAILABLE: "At least one replica answers.",
            Reason.MINIMUM_REPLICAS_UNAVAILABLE: "Replicas do not answer yet; a large model loads "
            "for minutes. If its container ended before, or none answers after 10 minutes and the "
            "startup probe, the message names the pod.",
            Reason.POD_FAILING: "A pod does not start, keeps ending, or cannot be made (a quota, "
            "Pod Security, a webhook); the message and `status.lastFailure` hold Kubernetes' own "
            "reason.",
            Reason.SERVICE_NOT_FOUND: "There is no Service of this name in the namespace.",
            Reason.NO_ENDPOINTS: "The Service lacks the port, or no pod behind it is ready.",
            Reason.ADDRESS_NOT_ALLOWED: "The URL leads to a loopback, link-local or metadata "
            "address.",
            Reason.NAME_CONFLICT: "A Deployment or Service with the name that this one needs "
            "belongs to someone else; rename the backend or the other.",
            Reason.INVALID: "The object breaks a rule that the API server did not know when it was "
            "stored, or its Deployment is refused; the message names the field. What ran before "
            "goes on.",
            Reason.AWAITING_ROUTERS: "Servers are ready, and not every router knows them yet.",
            Reason.FOLLOWS_LOAD: "Replicas follow the requests that wait and run.",
            Reason.MAXIMUM_REACHED: "They do, and the load asks for more than `maxReplicas`.",
            Reason.NO_DATA: "A router, or the metrics of a model server, did not answer for 15 s: "
            "replicas stay as they are, within the bounds. The message names it.",
            Reason.REQUESTS_FAIL: "Its key is refused, its name does not resolve, nothing listens "
            "on its port, it knows no such model, ...: the message has the outcome of attempts as "
            "`pointsman_router_attempts_total` has it, and what to look at.",
            Reason.WORSE: "Answers to golden prompts became worse in some task; `status.drift` has "
            "the figures. See docs/drift.md for what to do.",
            Reason.BETTER: "They became better, and in no task worse.",
            Reason.IDENTITY_CHANGED: "Most answers name another model or fingerprint than before.",
            Reason.STEADY: "Nothing says that it changed.",
            Reason.SUSPECTED: "Something looks different and is not proven; golden prompts are "
            "asked again sooner.",
            Reason.NO_BASELINE: "Too little was seen to compare with: the first runs of a suite, "
            "or the first traffic. The message says how much is missing.",
            Reason.EVALUATION_COMPLETE: "Every prompt has a score, or a reason why it has none.",
            Reason.NOT_EVALUATED_YET: "The first run is still to come, or under way.",
            Reason.SUITE_NOT_FOUND: "There is no EvaluationSuite of this name: nothing is run.",
            Reason.SUITE_NOT_READY: "The suite says in its own conditions what is wrong with it; "
            "nothing is run until that is mended.",
            Reason.JUDGE_NOT_FOUND: "The suite's judge is no ModelBackend of this namespace, by "
            "its name or by its model: nothing is run.",
            Reason.CURRENCIES_DIFFER: "There is a cap, and the judge costs another currency: what "
            "both cost together cannot be held under it, so nothing is run.",
            Reason.SPEND_CAP_REACHED: "`evaluation.maxCostPerDay` left no room for the next call. "
            "The quality of the last whole run stays; the next one begins with the day.",
            Reason.UNREACHABLE: "No answer came: no router, no server, or a key that is refused. "
            "It is tried again, at the latest with the next interval.",
            Reason.INTERRUPTED: "The operator ended during the run; the next one begins soon.",
        },
    ),
    ROUTING_POLICY: Meaning(
        conditions={
            ConditionType.READY: "Accepted, ResolvedRefs and Programmed are all True, no test "
            "fails, and what the spec says is in force: no weight is on its way, and no rollout. "
            "Whether its backends answer, their own Ready says.",
            ConditionType.ACCEPTED: "This spec became a revision. If not, the last accepted "
            "revision stays in force.",
            ConditionType.RESOLVED_REFS: "Every backend that it names is there and valid.",
            ConditionType.TESTS_PASSED: "Every one of `spec.tests` goes where it is expected to; "
            "only with `tests`.",
            ConditionType.VETTED: "Every backend that it names meets `governance`; only with it. "
            "Beside Ready: the others take the requests.",
            ConditionType.PROGRAMMED: "Every router has said that it runs the revision in force.",
            ConditionType.PROGRESSING: "A rollout of the spec goes on (`status.rollout`), or "
            "weights are on their way to those of the revision in force (`status.shift`).",
            ConditionType.AWAITING_APPROVAL: "The rollout goes on when somebody approves its step.",
            ConditionType.PROMOTED: "The rollout of the spec has ended with it in force.",
            ConditionType.ROLLED_BACK: "It has ended with the revision before it in force.",
            ConditionType.DRIFT_DETECTED: "A backend that it names has drifted; only with `drift`. "
            "It says nothing of Ready. The message tells which, in what, by how much, and what is "
            "done about it.",
            ConditionType.RECONCILING: _WAITS,
            ConditionType.STALLED: _STUCK,
        },
        reasons={
            Reason.READY: "All of it is so.",
            Reason.ACCEPTED: "The spec is a revision.",
            Reason.RESOLVED_REFS: "Every name leads to a backend.",
            Reason.PROGRAMMED: "Every router runs it.",
            Reason.KEY_MISSING: "The same, and a router lacks the key of a backend; the message "
            "says of which Secret, and why. Requests to that backend go to the next.",
            Reason.INVALID: "The spec breaks a rule; the message names the field.",
            Reason.BACKEND_NOT_FOUND: "A backend that it names is not in this namespace. A new "
            "spec waits for it; a revision in force goes on without it.",
            Reason.BACKEND_INVALID: "A backend that it names is refused; see that one's status.",
            Reason.INVALID_EXPRESSION: "An expression of a rule does not compile, or may take too "
            "long; the message names it and says why.",
            Reason.TESTS_PASSED: "All of them do.",
            Reason.TESTS_FAILED: "Some do not; the message names them and what happened instead. A "
            "new spec is refused; a revision in force stays.",
            Reason.MODEL_NAME_CONFLICT: "An older policy has this model name; rename one of them.",
            Reason.TOO_LARGE: "The compiled policy exceeds what one ConfigMap holds.",
            Reason.NOT_ACCEPTED: "No revision was ever accepted, so there is none to judge.",
            Reason.PROGRESSING: "The revision cannot be stored yet; it is tried again.",
            Reason.AWAITING_ROUTERS: "Some routers have not said yet that they run it; "
            "`status.routers.laggards` names them.",
            Reason.NO_ROUTERS: "No router pod is running.",
            Reason.ROUTER_REFUSED: "A router refused the revision; the message says why.",
            Reason.BACKENDS_VETTED: "All of them do.",
            Reason.BACKENDS_LEFT_OUT: "Some do not, and get no request of this policy; the message "
            "names them and says what each lacks.",
            Reason.WEIGHTS_IN_FORCE: "The weights are those of the revision in force.",
            Reason.WAITING_FOR_CAPACITY: "Replicas of a backend with scaling mode QueueDepth are "
            "being started for traffic that comes, or for the next step of a rollout; as they "
            "become ready, it follows.",
            Reason.ROLLOUT_IN_PROGRESS: "A part of the conversations goes to the candidate, or it "
            "waits for its turn at a backend; the message names it and who comes first.",
            Reason.ROLLOUT_PAUSED: "Somebody said so; the candidate keeps its part.",
            Reason.AWAITING_APPROVAL: "A step waits for a person: `pointsman rollout approve`.",
            Reason.INCONCLUSIVE: "The step's deadline has passed and its guardrails are not sure: "
            "too few requests, most often, and golden prompts that cannot tell either. Promote, "
            "abort, or wait for more.",
            Reason.WAITING_FOR_PROBES: "Too few requests came in the step's time; the golden "
            "prompts of its backends are being asked, and decide.",
            Reason.ROLLED_BACK: "The spec is not what runs: its rollout was stopped. Edit the "
            "spec, take it back, or `pointsman rollout retry`.",
            Reason.ANALYSIS_PASSED: "All guardrails have passed.",
            Reason.ANALYSIS_SKIPPED: "Somebody promoted it.",
            Reason.GUARDRAIL_FAILED: "The candidate was worse than is allowed; the message says by "
            "what.",
            Reason.PROBES_PASSED: "Too few requests came, and the golden prompts of its backends "
            "have passed.",
            Reason.PROBES_FAILED: "Too few requests came, and the golden prompts of its backends "
            "were worse than is allowed; the message says by what.",
            Reason.REPLAY_FAILED: "The candidate's routing did not do on recent requests; the "
            "message says why. It got no traffic.",
            Reason.REPLAY_INCONCLUSIVE: "The replay could not tell, and the spec says Abort; the "
            "message says what was missing. The candidate got no traffic.",
            Reason.ABORT_REQUESTED: "Somebody said so.",
            Reason.WORSE: "A backend is worse than it was.",
            Reason.BETTER: "A backend is better than it was, and none is worse.",
            Reason.IDENTITY_CHANGED: "A backend says that it is another model than before.",
            Reason.STEADY: "None of them has drifted.",
            Reason.SUSPECTED: "None has for sure; one may have.",
            Reason.NO_BASELINE: "No backend that it names has a condition Drifted that says: set "
            "`evaluation` of the ModelBackends, or wait for the first runs.",
            Reason.DEADLINE_EXCEEDED: "They did not become ready for ten minutes, or for a "
            "rollout's `stepDeadline`; traffic stays as it is. Mend what keeps them from starting, "
            "lower its `maxReplicas` to what can run, or take the edit back.",
        },
    ),
    EVALUATION_SUITE: Meaning(
        conditions={
            ConditionType.READY: "Accepted and ResolvedRefs are True: it can be run.",
            ConditionType.ACCEPTED: "Every prompt and every check can be used, also those of the "
            "ConfigMap.",
            ConditionType.RESOLVED_REFS: "The ConfigMap is there and has the key; what is drawn "
            "from the ledger is there, and the message says how much of it is left.",
            ConditionType.RECONCILING: _WAITS,
            ConditionType.STALLED: _STUCK,
        },
        reasons={
            Reason.READY: "All of it is so.",
            Reason.ACCEPTED: "Every pattern and every JSON schema is one.",
            Reason.RESOLVED_REFS: "What it refers to is there, or it refers to nothing.",
            Reason.INVALID: "A prompt or a check cannot be used; the message names the field, or "
            "the line of the ConfigMap.",
            Reason.CONFIG_MAP_NOT_FOUND: "There is no ConfigMap of this name in the namespace, or "
            "it lacks the key. The operator looks again each 10 s.",
            Reason.TOO_LARGE: "There are more than 2,000 prompts in all.",
            Reason.NO_LEDGER: "`spec.ledger` is set, and the operator knows no ledger.",
            Reason.LEDGER_UNREACHABLE: "The ledger does not answer, or not as it should; it is "
            "asked again each minute.",
            Reason.POLICY_NOT_FOUND: "There is no RoutingPolicy of this name in the namespace, or "
            "it breaks a rule.",
            Reason.TEXTS_NOT_KEPT: "The policy's `capture` is not Sampled or Full, so its owner "
            "does not let texts be kept: none is drawn, and none of an older draw is asked.",
            Reason.TOO_FEW_PROMPTS: "Fewer requests than `spec.ledger.minimum` have a text and "
            "feedback that can be used. It is drawn as soon as there are enough.",
            Reason.NAME_CONFLICT: "A ConfigMap with the name of the suite's draw belongs to "
            "someone else; rename one of them.",
        },
    ),
}
