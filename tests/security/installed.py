"""A whole release with everything on, on the bench, with a planted word for each secret.

Ledger with console, OpenID Connect, personal tokens and webhooks; routers with a provider behind
TLS, a proxy with a password, and headers for a collector. All parts log as much as they can.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from pointsman.api.callers import CallerEntry, hash_of
from pointsman.cli.key import manifest
from tests.bench import Bench
from tests.bench.netns import HOST_IP
from tests.e2e.external import PROVIDER_KEY, Provider, provider
from tests.e2e.fleet import RELEASE, ROOT, Fleet
from tests.e2e.objects import apply, backend, policy
from tests.ledger.test_planted import planted

NAMESPACE: Final = "secure-bench"
SECRETS: Final[Mapping[str, str]] = {"provider-key": PROVIDER_KEY} | {
    place: planted(place)
    for place in (
        "api-key", "wrong-key", "ledger-token", "oidc-secret", "session-key", "people-token",
        "webhook-key", "collector-header", "proxy-password",
    )
}  # fmt: skip
"""What nobody may read anywhere but where it has to be."""
NOWHERE: Final = f"https://{HOST_IP}:9"
VALUES: Final = ",".join(
    (
        "operator.replicas=1,router.replicas=2,router.minReadySeconds=1",
        "router.logLevel=debug,operator.logLevel=DEBUG",
        f"router.proxy.secret=way-out,router.proxy.noProxy={HOST_IP}",
        f"networkPolicy.routerTo[0].to[0].ipBlock.cidr={HOST_IP}/32",
        "networkPolicy.routerTo[0].ports[0].port=9",
        f"router.otlp.endpoint=http://{HOST_IP}:9,router.otlp.headersSecret=collector",
        "router.otlp.sample=1",
        "ledger.enabled=true,ledger.tokenSecret=ledger,ledger.sqlite.persistent=false",
        "ledger.logLevel=debug,ledger.console.enabled=true,ledger.console.write=true",
        "ledger.console.trustedProxies={0.0.0.0/0},ledger.console.roles={operator=platform}",
        f"ledger.console.oidc.issuer={NOWHERE},ledger.console.oidc.clientId=desk",
        f"ledger.console.url={NOWHERE},ledger.console.oidc.secret=oidc",
        "ledger.console.sessionSecret=session,ledger.console.peopleSecret=people",
        f"networkPolicy.ledgerFrom[0].ipBlock.cidr={HOST_IP}/32",
        "ledger.webhookKeys[0].secret=hooks,ledger.webhookKeys[0].key=desk",
    )
)
FIRST: Final = {"Secret", "ServiceAccount", "Role", "RoleBinding", "StatefulSet", "Service"}
"""Of the chart, what is applied before the ledger has an address: there is no DNS here."""


def secrets() -> list[dict[str, Any]]:
    """Each where the chart's values say."""
    token = SECRETS["people-token"]
    people = f"dana reviewer {hashlib.sha256(token.encode()).hexdigest()}"
    held = {
        "ledger": ("token", SECRETS["ledger-token"]),
        "oidc": ("oidc-client-secret", SECRETS["oidc-secret"]),
        "session": ("session-key", SECRETS["session-key"]),
        "people": ("people", people),
        "hooks": ("desk", SECRETS["webhook-key"]),
        "collector": ("headers", f"x-token: {SECRETS['collector-header']}"),
        "way-out": ("url", f"http://pointsman:{SECRETS['proxy-password']}@{HOST_IP}:9"),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {key: text},
        }
        for name, (key, text) in held.items()
    ]


def callers() -> str:
    """One, who may use everything."""
    entry = CallerEntry(keys=(hash_of(SECRETS["api-key"].encode()),), team="desk")
    return manifest.new(f"{RELEASE}-callers", "app", entry)


def objects(outside: Provider) -> list[dict[str, Any]]:
    """Models inside and outside, one that the proxy should reach, one whose key is not for it."""
    reference = {"name": "elsewhere"}
    elsewhere = {"url": "https://elsewhere.invalid/v1", "credentialsSecretRef": reference}
    careful = policy("careful", "careful", "inside")
    careful["spec"]["default"]["review"] = {"mode": "Hold", "stage": "Request"}
    careful["spec"]["humanReview"] = {
        "deadline": "5s", "onTimeout": "Deny",
        "webhooks": [{"url": f"{NOWHERE}/hook", "secretRef": {"name": "hooks", "key": "desk"}}],
    }  # fmt: skip
    noted = policy("noted", "auto", "inside")
    noted["metadata"]["annotations"] = {"example.com/note": planted("note")}
    rule = {"name": "noted", "match": {"metadata": {"note": planted("rule")}}}
    noted["spec"]["rules"] = [rule | {"targets": [{"backendRef": {"name": "inside"}}]}]
    items: list[dict[str, Any]] = json.loads(outside.manifests())["items"]
    # The same key once more: one that is used by a host it is not for is used for nobody.
    (secret,) = (item for item in items if item["kind"] == "Secret")
    items.append({**secret, "metadata": {**secret["metadata"], **reference}})
    return [
        *items,
        backend("inside"),
        backend("proxied", external={"url": "https://proxied.invalid/v1"}),
        backend("elsewhere", external=elsewhere),
        noted,
        careful,
        policy("proxied", "proxied", "proxied"),
        policy("elsewhere", "elsewhere", "elsewhere"),
    ]


@contextmanager
def installed(bench: Bench, folder: Path) -> Iterator[Fleet]:
    """Everything is Ready that can be; deleted afterwards."""
    bench.restricted_namespace(NAMESPACE)
    fleet = Fleet(bench, NAMESPACE)
    try:
        apply(fleet, *secrets())
        fleet.kubectl("apply", "-f", "-", stdin=callers())
        crds = bench.helm("template", "pointsman-crds", str(ROOT / "charts" / "pointsman-crds"))
        bench.kubectl("apply", "--server-side", "-f", "-", input=crds)
        bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        first = [one for one in chart(bench, VALUES) if one["kind"] in FIRST]
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(first))
        bench.wait_for(lambda: fleet.are_ready("ledger", 1), 120, "the ledger")
        (pod,) = fleet.pods("ledger")
        address = f"{VALUES},ledger.url=http://{pod['status']['podIP']}:9903"
        whole = yaml.safe_dump_all(chart(bench, address))
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=whole)
        bench.wait_for(lambda: fleet.are_ready("router", 2), 120, "the routers")
        with provider(folder) as outside:
            apply(fleet, *objects(outside))
            for name in ("noted", "careful", "outside"):
                wait = ("wait", "--for=condition=Ready", f"routingpolicy/{name}")
                fleet.kubectl(*wait, "--timeout=90s")
            yield fleet
    finally:
        bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def chart(bench: Bench, values: str) -> list[dict[str, Any]]:
    """The chart's objects as Helm renders them."""
    text = bench.helm(
        "template", RELEASE, str(ROOT / "charts" / "pointsman"), "--namespace", NAMESPACE,
        "--set", values,
    )  # fmt: skip
    return [item for item in yaml.safe_load_all(text) if item]
