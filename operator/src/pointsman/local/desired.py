"""PURE: what local mode has to run, decided by the operator's plans from files.

The same functions as in a cluster judge the policies and render the servers. A file has no time of
creation: of two policies that claim one model name, the one that is read first has it.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.api.manifests import Loaded
from pointsman.api.names import ANNOTATION_LOCAL_ADDRESS
from pointsman.api.table import Endpoint, Manifest, ServiceAddress
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.evaluation.suite.content import Suite
from pointsman.local.commands import commands
from pointsman.local.processes import Wanted
from pointsman.local.signing_keys import named_keys
from pointsman.local.suites import suites_of
from pointsman.operator.plan.blobs import compile_backend, named
from pointsman.operator.plan.engines import container_of
from pointsman.operator.plan.evaluating.telling import Hindrance
from pointsman.operator.plan.learning import Wish, wishes
from pointsman.operator.plan.objects import ObservedPolicy
from pointsman.operator.plan.predicting import Learned
from pointsman.operator.plan.revisions import Revision
from pointsman.operator.plan.table import TablePlan, compile_table
from pointsman.router.control.credentials import SecretFacts, facts_of

NAMESPACE = "default"
OWNER_UID = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Policies and backends as they are declared."""

    backends: Mapping[str, ModelBackend]
    policies: Sequence[ObservedPolicy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that follows from the files."""

    backends: Mapping[str, ModelBackend]
    table: TablePlan
    annotations: Mapping[str, Mapping[str, str]]
    """Of policies, by name."""
    wishes: Mapping[str, Wish]
    """What predictors want to learn of, by policy."""
    processes: Mapping[str, Wanted]
    fixed_endpoints: Mapping[str, tuple[Endpoint, ...]]
    """ServiceAddress.key -> address that a backend's annotation gives."""
    secrets: Mapping[str, dict[str, Any]]
    webhook_keys: Mapping[str, bytes]
    """What signs webhooks of held requests, as far as the files have it."""
    suites: Mapping[str, Suite | Hindrance]
    """Golden prompts, or why they cannot be asked."""


def _observed(loaded: Loaded) -> tuple[ObservedPolicy, ...]:
    return tuple(
        ObservedPolicy(
            name=item.value.metadata.name,
            uid=OWNER_UID,
            generation=1,
            created=f"{number:06}",
            spec=item.value.spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
            parsed=item.value,
            named=named(item.value),
        )
        for number, item in enumerate(loaded.policies)
    )


def _container(backend: ModelBackend) -> Mapping[str, Any]:
    """The container as the operator would render it; images play no role here."""
    spec = backend.spec
    if spec.deployment is None:
        return {}
    return container_of(spec, spec.deployment, simulator="", vllm="")


def fixed_endpoint(backend: ModelBackend) -> Endpoint | None:
    """The annotation's `host:port`, None without one; raises ValueError if it is none."""
    text = backend.metadata.annotations.get(ANNOTATION_LOCAL_ADDRESS)
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"annotation {ANNOTATION_LOCAL_ADDRESS}: {text!r} is not host:port")
    return Endpoint(host=host.strip("[]"), port=int(port))


def texts(value: object) -> dict[str, str]:
    """The texts of a map; nobody has checked an object that is not ours, so it may be anything."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in pairs if isinstance(text, str)}


def metadata_of(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object's metadata, empty if it is no map."""
    found = thing.get("metadata")
    return found if isinstance(found, dict) else {}


def secret_data(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """`data` decoded and `stringData` over it, as the API server stores them."""
    found: dict[str, bytes] = {}
    for key, value in texts(secret.get("data")).items():
        try:
            found[key] = base64.b64decode(value, validate=True)
        except ValueError:  # binascii.Error, or not ASCII
            continue
    for key, value in texts(secret.get("stringData")).items():
        found[key] = value.encode(errors="replace")
    return found


def _one_namespace(loaded: Loaded) -> None:
    """Objects of one name in two namespaces would take each other's place."""
    for items in (loaded.backends, loaded.policies):
        seen: dict[str, str] = {}
        for item in items:
            about = item.value.metadata
            first = seen.setdefault(about.name, about.namespace)
            if first != about.namespace:
                raise ValueError(
                    f"{item.position()}: {item.value.kind} {about.name} is in the namespaces "
                    f"{first} and {about.namespace}; local mode has one"
                )


def desire(
    loaded: Loaded,
    *,
    accepted: Mapping[str, Revision],
    previous: Manifest | None,
    time_scale: float,
    learned: Mapping[str, Learned] | None = None,
    run_tests: bool = True,
    relearn: Callable[[Files], Sequence[ObservedPolicy]] = lambda files: files.policies,
) -> Desired:
    """
    What has to run; `accepted` and `previous` are what was so far, `learned` is by policy.

    Without `run_tests` a policy is taken whatever its tests say. `relearn` gives policies with what
    was learned in the place of their specs.

    Raises ValueError for files that only make sense in a cluster.
    """
    _one_namespace(loaded)
    backends = {item.value.metadata.name: item.value for item in loaded.backends}
    policies = relearn(Files(backends=backends, policies=_observed(loaded)))
    plan = compile_table(
        namespace=NAMESPACE,
        backends=backends,
        policies=policies,
        accepted=accepted,
        previous={entry.name: entry for entry in previous.policies} if previous else None,
        learned=learned,
        run_tests=run_tests,
    )
    processes: dict[str, Wanted] = {}
    fixed: dict[str, tuple[Endpoint, ...]] = {}
    for backend in backends.values():
        processes |= commands(backend, _container(backend), time_scale=time_scale)
        address = compile_backend(NAMESPACE, backend).address
        endpoint = fixed_endpoint(backend) if backend.spec.service else None
        if endpoint is not None and isinstance(address, ServiceAddress):
            fixed[address.key] = (endpoint,)
    secrets = {
        str(metadata_of(item.value)["name"]): item.value
        for item in loaded.others
        if item.value.get("kind") == "Secret" and "name" in metadata_of(item.value)
    }
    return Desired(
        backends=backends,
        table=plan,
        annotations={
            item.value.metadata.name: item.value.metadata.annotations for item in loaded.policies
        },
        wishes=wishes(policies, accepted, backends),
        processes=processes,
        fixed_endpoints=fixed,
        secrets=secrets,
        webhook_keys=named_keys(
            (policy.spec for policy in policies),
            {name: secret_data(secret) for name, secret in secrets.items()},
        ),
        suites=suites_of(loaded),
    )


def secrets_of(desired: Desired) -> dict[str, SecretFacts | None]:
    """By name; None for one that a backend names and no file has."""
    externals = [backend.spec.external for backend in desired.backends.values()]
    refs = [one.credentials_secret_ref for one in externals if one]
    return dict.fromkeys(ref.name for ref in refs if ref) | {
        name: facts_of(
            texts(metadata_of(secret).get("labels")),
            texts(metadata_of(secret).get("annotations")),
            secret_data(secret),
        )
        for name, secret in desired.secrets.items()
    }
