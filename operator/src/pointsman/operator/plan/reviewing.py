"""PURE: a policy's human review as routers need it."""

from collections.abc import Collection, Iterator

from pointsman.api import reviewing as table
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import Review, RoutingPolicySpec


def references(spec: RoutingPolicySpec) -> Iterator[tuple[str, str]]:
    """The backends that it names, with the field's path."""
    asked = spec.human_review
    if asked is None:
        return
    if asked.fallback_ref is not None:
        yield "spec.humanReview.fallbackRef.name", asked.fallback_ref.name
    for i, ref in enumerate(asked.escalate_to):
        yield f"spec.humanReview.escalateTo[{i}].name", ref.name


def compile_review(asked: Review) -> table.Review:
    """One review."""
    return table.Review(
        mode=asked.mode.value,
        stage=asked.stage.value if asked.stage else "Answer",
        priority=asked.priority.value,
    )


def compile_human_review(
    spec: RoutingPolicySpec, usable: Collection[str]
) -> table.HumanReview | None:
    """Of backends those that are `usable`; None where the policy has none."""
    asked = spec.human_review
    if asked is None:
        return None
    low, of_class, back = asked.low_confidence, asked.data_class, asked.fallback_ref
    return table.HumanReview(
        deadline_s=parse_duration(asked.deadline),
        fallback=back.name if back is not None and back.name in usable else "",
        escalate_to=tuple(ref.name for ref in asked.escalate_to if ref.name in usable),
        low_confidence=table.LowConfidence(below=float(low.below), review=compile_review(low))
        if low
        else None,
        data_class=table.DataClassReview(
            at_least=str(of_class.at_least), review=compile_review(of_class)
        )
        if of_class
        else None,
        max_held=asked.max_held,
        retention_s=parse_duration(asked.retention),
        webhooks=tuple(
            table.Webhook(url=one.url, key=f"{one.secret_ref.name}.{one.secret_ref.key}")
            for one in asked.webhooks
        ),
    )
