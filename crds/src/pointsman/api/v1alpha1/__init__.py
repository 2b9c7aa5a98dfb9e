"""Version v1alpha1 of the kinds; one file a kind, and the objects they travel in."""

from pointsman.api.v1alpha1.capture import (
    Capture,
    CaptureMode,
    ImplicitFeedback,
    Redact,
    Signal,
)
from pointsman.api.v1alpha1.cost import Cost, PriceChange, Prices
from pointsman.api.v1alpha1.deployment import Deployment, Engine, EnvVar, ResourceRequirements
from pointsman.api.v1alpha1.drift import Drift
from pointsman.api.v1alpha1.evaluation import Evaluation, SuiteRef
from pointsman.api.v1alpha1.evaluationsuite import (
    Check,
    ConfigMapRef,
    EvaluationSuite,
    EvaluationSuiteSpec,
    GoldenPrompt,
    Judge,
    JudgeCheck,
    Message,
    NumberCheck,
    Refusal,
)
from pointsman.api.v1alpha1.external import CredentialsSecretRef, External
from pointsman.api.v1alpha1.match import ContextTokens, HeaderMatch, Match, Turns
from pointsman.api.v1alpha1.meta import ObjectMeta
from pointsman.api.v1alpha1.modelbackend import (
    Capability,
    Family,
    ModelBackend,
    ModelBackendSpec,
    Service,
)
from pointsman.api.v1alpha1.policytest import Expectation, PolicyTest, PromptMessage
from pointsman.api.v1alpha1.predictor import Objective, Predictor
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.v1alpha1.rollout import (
    Guardrails,
    Replay,
    Rollout,
    RolloutStep,
    Shadow,
    ShadowJudge,
)
from pointsman.api.v1alpha1.routingpolicy import (
    DefaultRoute,
    Fallback,
    FallbackOn,
    RoutingPolicy,
    RoutingPolicySpec,
    Rule,
    Target,
    Timeouts,
)
from pointsman.api.v1alpha1.scaling import (
    Scaling,
    ScalingBehavior,
    ScalingMode,
    ScalingRules,
    ScalingSchedule,
)

__all__ = [
    "BackendRef",
    "Capability",
    "Capture",
    "CaptureMode",
    "Check",
    "ConfigMapRef",
    "ContextTokens",
    "Cost",
    "CredentialsSecretRef",
    "DefaultRoute",
    "Deployment",
    "Drift",
    "Engine",
    "EnvVar",
    "Evaluation",
    "EvaluationSuite",
    "EvaluationSuiteSpec",
    "Expectation",
    "External",
    "Fallback",
    "FallbackOn",
    "Family",
    "GoldenPrompt",
    "Guardrails",
    "HeaderMatch",
    "ImplicitFeedback",
    "Judge",
    "JudgeCheck",
    "Match",
    "Message",
    "ModelBackend",
    "ModelBackendSpec",
    "NumberCheck",
    "ObjectMeta",
    "Objective",
    "PolicyTest",
    "Predictor",
    "PriceChange",
    "Prices",
    "PromptMessage",
    "Redact",
    "Refusal",
    "Replay",
    "ResourceRequirements",
    "Rollout",
    "RolloutStep",
    "RoutingPolicy",
    "RoutingPolicySpec",
    "Rule",
    "Scaling",
    "ScalingBehavior",
    "ScalingMode",
    "ScalingRules",
    "ScalingSchedule",
    "Service",
    "Shadow",
    "ShadowJudge",
    "Signal",
    "SuiteRef",
    "Target",
    "Timeouts",
    "Turns",
]
