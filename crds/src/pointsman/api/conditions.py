"""Condition types and reasons, spelled once for status, events, logs and metrics.

Conditions follow Kubernetes API conventions and Gateway API's meaning: `Accepted`, `ResolvedRefs`
and `Programmed` for a policy, `Available` for a backend, `Progressing` and `Ready` for both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ConditionType(StrEnum):
    """Every condition that is ever written."""

    READY = "Ready"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    SCALING_ACTIVE = "ScalingActive"
    DEGRADED = "Degraded"  # neutral, abnormal-true, and present only while true
    DRIFTED = "Drifted"
    EVALUATED = "Evaluated"  # neutral
    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    PROGRAMMED = "Programmed"
    TESTS_PASSED = "TestsPassed"
    # of governance; neutral: it lives beside Ready
    VETTED = "Vetted"
    # of a rollout; neutral: they live beside Ready
    AWAITING_APPROVAL = "AwaitingApproval"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    DRIFT_DETECTED = "DriftDetected"
    # kstatus: abnormal-true, and present only while true
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """One word for one reason: in a condition, an event, a log line and a metric label."""

    # any kind
    READY = "Ready"
    INVALID = "Invalid"
    PROGRESSING = "Progressing"
    # ModelBackend
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"
    SCALED_TO_ZERO = "ScaledToZero"
    ROLLOUT_COMPLETE = "RolloutComplete"
    POD_FAILING = "PodFailing"
    SERVICE_NOT_FOUND = "ServiceNotFound"
    NO_ENDPOINTS = "NoEndpoints"
    ENDPOINTS_AVAILABLE = "EndpointsAvailable"
    EXTERNAL = "External"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_NOT_ALLOWED = "SecretNotAllowed"
    ADDRESS_NOT_ALLOWED = "AddressNotAllowed"
    NAME_CONFLICT = "NameConflict"
    ENGINE_NOT_FOUND = "EngineNotFound"
    FOLLOWS_LOAD = "FollowsLoad"
    MAXIMUM_REACHED = "MaximumReached"
    NO_DATA = "NoData"
    REQUESTS_FAIL = "RequestsFail"
    # whether it drifted
    WORSE = "Worse"
    BETTER = "Better"
    IDENTITY_CHANGED = "IdentityChanged"
    STEADY = "Steady"
    SUSPECTED = "Suspected"
    NO_BASELINE = "NoBaseline"
    # its golden prompts
    EVALUATION_COMPLETE = "EvaluationComplete"
    NOT_EVALUATED_YET = "NotEvaluatedYet"
    SUITE_NOT_FOUND = "SuiteNotFound"
    SUITE_NOT_READY = "SuiteNotReady"
    JUDGE_NOT_FOUND = "JudgeNotFound"
    CURRENCIES_DIFFER = "CurrenciesDiffer"
    SPEND_CAP_REACHED = "SpendCapReached"
    UNREACHABLE = "Unreachable"
    INTERRUPTED = "Interrupted"
    # RoutingPolicy
    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    PROGRAMMED = "Programmed"
    KEY_MISSING = "KeyMissing"
    BACKEND_NOT_FOUND = "BackendNotFound"
    BACKEND_INVALID = "BackendInvalid"
    BACKEND_NOT_READY = "BackendNotReady"
    FALLBACK_CYCLE = "FallbackCycle"
    INVALID_RANGE = "InvalidRange"
    MODEL_NAME_CONFLICT = "ModelNameConflict"
    INVALID_EXPRESSION = "InvalidExpression"
    TESTS_PASSED = "TestsPassed"
    TESTS_FAILED = "TestsFailed"
    RULE_NEVER_MATCHES = "RuleNeverMatches"
    TOO_LARGE = "TooLarge"
    AWAITING_ROUTERS = "AwaitingRouters"
    NO_ROUTERS = "NoRouters"
    ROUTER_REFUSED = "RouterRefused"
    NOT_ACCEPTED = "NotAccepted"
    WEIGHTS_IN_FORCE = "WeightsInForce"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    # EvaluationSuite
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    NO_LEDGER = "NoLedger"
    LEDGER_UNREACHABLE = "LedgerUnreachable"
    POLICY_NOT_FOUND = "PolicyNotFound"
    TEXTS_NOT_KEPT = "TextsNotKept"
    TOO_FEW_PROMPTS = "TooFewPrompts"
    # governance: why a backend is left out of a policy
    APPROVED = "Approved"
    NOT_APPROVED = "NotApproved"
    APPROVAL_EXPIRED = "ApprovalExpired"
    APPROVAL_NOT_BEGUN = "ApprovalNotBegun"
    LICENSE_NOT_ALLOWED = "LicenseNotAllowed"
    REGION_NOT_ALLOWED = "RegionNotAllowed"
    NOT_CERTIFIED = "NotCertified"
    TRAINING_NOT_RULED_OUT = "TrainingNotRuledOut"
    RETENTION_TOO_LONG = "RetentionTooLong"
    DATA_CLASS_NOT_ALLOWED = "DataClassNotAllowed"
    BACKENDS_VETTED = "BackendsVetted"
    BACKENDS_LEFT_OUT = "BackendsLeftOut"
    # a rollout of it
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    ROLLOUT_PAUSED = "RolloutPaused"
    AWAITING_APPROVAL = "AwaitingApproval"
    INCONCLUSIVE = "Inconclusive"
    WAITING_FOR_PROBES = "WaitingForProbes"
    ROLLED_BACK = "RolledBack"
    ANALYSIS_PASSED = "AnalysisPassed"
    ANALYSIS_SKIPPED = "AnalysisSkipped"
    PROBES_PASSED = "ProbesPassed"
    PROBES_FAILED = "ProbesFailed"
    REPLAY_FAILED = "ReplayFailed"
    REPLAY_INCONCLUSIVE = "ReplayInconclusive"
    GUARDRAIL_FAILED = "GuardrailFailed"
    ABORT_REQUESTED = "AbortRequested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is so, as decided now; `stamp` turns it into what is stored."""

    type: ConditionType
    status: bool | None
    reason: Reason
    message: str = ""


_WORD = {True: "True", False: "False", None: "Unknown"}


def stamp(
    wanted: Iterable[Condition],
    stored: Sequence[Mapping[str, object]],
    *,
    generation: int,
    now: str,
) -> list[dict[str, object]]:
    """
    Stored form of the wanted conditions, in their order; anything not wanted is dropped.

    `lastTransitionTime` moves only when `status` flips (Kubernetes API conventions); `now` is
    RFC 3339 in UTC. Messages are cut to the 32,768 characters that `metav1.Condition` allows.
    """
    before = {str(condition.get("type")): condition for condition in stored}
    result: list[dict[str, object]] = []
    for condition in wanted:
        status = _WORD[condition.status]
        old = before.get(condition.type, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        result.append(
            {
                "type": str(condition.type),
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": since or now,
                "reason": str(condition.reason),
                "message": condition.message[:32768],
            }
        )
    return result
