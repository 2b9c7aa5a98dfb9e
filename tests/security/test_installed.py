"""A whole release as an attacker who reads everything would find it; nothing is played.

Every byte that the system wrote is searched for the secrets that it was given: each object of the
API server with the blobs unpacked, each pod's log and files, every metric, each answer.
"""

import base64
import gzip
import io
import json
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from pointsman.ledger.console.page import PREFIX
from pointsman.ledger.console.pages import PAGES
from tests.bench import Bench, CommandFailed
from tests.e2e.fleet import RELEASE, Fleet
from tests.ledger.test_planted import Written, planted, spellings
from tests.security.granted import grants_in
from tests.security.installed import NAMESPACE, SECRETS, VALUES, chart, installed
from tests.security.rights import Difference, asked, differences, for_everybody, part_of

pytestmark = [pytest.mark.bench, pytest.mark.timeout(420)]
MODELS: Final = {
    "auto": True, "outside": True, "careful": False, "proxied": False, "elsewhere": False
}  # fmt: skip
"""Which of them answer: one is held, one behind a proxy that is not there, one may have no key."""
PLACES: Final = ("prompt", "held", "header", "cookie")
"""What callers say, and nobody asked to keep; a held request waits in the ledger's store."""
MAY_HOLD: Final = {
    "provider-key": {"volume of router: keys"},
    "held": {"volume of ledger: store"},
    "note": {"objects"},
    "rule": {"objects", "volume of router: state", "log of operator"},
}
"""Where a word may be found. The last two are no secrets: what finds them would find a secret."""


@pytest.fixture(scope="module")
def fleet(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Installed, and asked for everything once."""
    with installed(bench, tmp_path_factory.mktemp("provider")) as found:
        yield found


def ask(url: str, key: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """Status, and head and body of the answer."""
    about = {"authorization": f"Bearer {key}", "content-type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, data, about), timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, str(answer.headers).encode() + answer.read()


def asked_of(fleet: Fleet, url: str, model: str, *, answers: bool) -> bytes:
    """What a router says to a question; a key that it has yet to read is waited for."""
    word = planted("held" if model == "careful" else "prompt")
    messages = [{"role": "user", "content": f"{word}, in plain words"}]
    body = {"model": model, "messages": messages, "max_tokens": 3}
    more = {"cookie": planted("cookie"), "x-other": planted("header")}

    def said() -> tuple[int, bytes]:
        return ask(f"{url}/chat/completions", SECRETS["api-key"], body, **more)

    end_s = time.monotonic() + 90
    status, found = said()
    while answers and status != 200:
        assert time.monotonic() < end_s, (model, found)
        time.sleep(0.5)
        status, found = said()
    assert answers or status >= 400, found
    return found


@pytest.fixture(scope="module")
def answers(fleet: Fleet) -> dict[str, bytes]:
    """Of routers, ledger and operator to everybody who may ask them something, and who may not."""
    found: dict[str, bytes] = {}
    (ledger,) = (f"http://{pod['status']['podIP']}:9903" for pod in fleet.pods("ledger"))
    for number, url in enumerate(fleet.routers()):
        for model, answers in MODELS.items():
            where = f"answer of {model} {number}"
            found[where] = asked_of(fleet, url, model, answers=answers)
        got, found[f"refusal {number}"] = ask(f"{url}/models", SECRETS["wrong-key"])
        assert got == 401
        admin = url.replace(":8080/v1", ":9901")
        token = fleet.bench.token(NAMESPACE, f"{RELEASE}-operator", audience="pointsman-router")
        for path in ("/metrics", "/admin/table", "/healthz", "/readyz"):
            _, found[f"{path} of router {number}"] = ask(admin + path, token)
    (operator,) = (f"http://{pod['status']['podIP']}:9902" for pod in fleet.pods("operator"))
    _, found["metrics of operator"] = ask(f"{operator}/metrics", "")
    for path in ("/metrics", "/v1/summary?since=1h", "/v1/requests?since=1h", "/v1/reviews"):
        for who in ("ledger-token", "people-token", "wrong-key"):
            _, found[f"{path} to {who}"] = ask(ledger + path, SECRETS[who])
    for page in PAGES:
        got, found[f"console: {page.name}"] = ask(
            f"{ledger}{PREFIX}{page.path}", SECRETS["people-token"]
        )
        assert got == 200, page.name
    return found


def layers(data: bytes) -> bytes:
    """The bytes, and what they are when they are unpacked."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return data + stream.read()
    except (OSError, EOFError, zlib.error):
        return data


def objects(bench: Bench) -> bytes:
    """All of the namespace and of the cluster but Secrets, with blobs unpacked, and history."""
    found = b""
    for scope in ("true", "false"):
        known = ("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name")
        kinds = sorted(set(bench.kubectl(*known).split()) - {"secrets"})
        text = bench.kubectl(
            "get", ",".join(kinds), "-n", NAMESPACE, "-o", "json", "--show-managed-fields"
        )
        found += text.encode()
        for item in json.loads(text)["items"]:
            for value in (item.get("binaryData") or {}).values():
                found += layers(base64.b64decode(value))
    assert b'"kind": "ControllerRevision"' in found
    assert b'"kind": "Event"' in found
    return found


def volumes(fleet: Fleet, component: str) -> Iterator[tuple[str, bytes]]:
    """Files of every volume that is no Secret itself."""
    for pod in fleet.pods(component):
        for volume in pod["spec"].get("volumes", ()):
            if "emptyDir" in volume:
                folder = fleet.bench.volume(NAMESPACE, pod["metadata"]["name"], volume["name"])
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        yield volume["name"], layers(path.read_bytes())


def everything(fleet: Fleet, answers: Mapping[str, bytes]) -> Written:
    """Where something was written -> what."""
    written = Written(dict(answers))
    written.by["objects"] = objects(fleet.bench)
    for component in ("operator", "router", "ledger"):
        pods = [pod["metadata"]["name"] for pod in fleet.pods(component)]
        logs = "".join(fleet.bench.log(NAMESPACE, pod) for pod in pods)
        assert logs, component
        written.by[f"log of {component}"] = logs.encode()
        for name, data in volumes(fleet, component):
            where = f"volume of {component}: {name}"
            written.by[where] = written.by.get(where, b"") + data
    return written


def test_no_secret_is_anywhere_but_where_it_has_to_be(
    fleet: Fleet, answers: Mapping[str, bytes]
) -> None:
    """Nor a prompt, where nobody asked to keep it. Words that are no secrets are found."""

    def kept() -> bool:
        return any(planted("held").encode() in data for _, data in volumes(fleet, "ledger"))

    fleet.bench.wait_for(kept, 60, "the held request in the ledger's store")
    written = everything(fleet, answers)
    words = dict(SECRETS) | {place: planted(place) for place in (*PLACES, "note", "rule")}
    found = {
        place: {
            where
            for where, data in written.by.items()
            if any(spelling in data for spelling in spellings(word))
        }
        for place, word in words.items()
    }
    leaks = {place: where - MAY_HOLD.get(place, set()) for place, where in found.items()}
    assert {place: where for place, where in leaks.items() if where} == {}
    assert found["note"] == {"objects"}
    assert found["rule"] >= {"objects", "volume of router: state"}
    assert found["provider-key"] == {"volume of router: keys"}
    assert found["held"] == {"volume of ledger: store"}


def test_nothing_was_refused_and_nothing_was_beyond_the_chart(
    fleet: Fleet, answers: Mapping[str, bytes]
) -> None:
    """By the API server's audit log; of the whole suite, `make rights` compares it."""
    assert answers
    seen = [use for use in fleet.bench.uses() if use.home == NAMESPACE]
    granted = grants_in(chart(fleet.bench, VALUES))
    wrong = [one for one in differences(seen, granted) if one.what != "unused"]
    assert wrong == list[Difference]()
    used = {asked(use)[1:5] for use in seen if part_of(use.account) and not for_everybody(use)}
    assert used >= {
        ("own", "pointsman.dev", "modelbackends/status", "patch"),
        ("own", "apps", "deployments", "create"),
        ("own", "", "secrets", "get"),
        ("cluster", "authentication.k8s.io", "tokenreviews", "create"),
        ("own", "apps", "controllerrevisions", "list"),
    }


def test_the_log_of_the_api_server_holds_what_was_refused(bench: Bench, fleet: Fleet) -> None:
    """So that a refusal cannot pass unseen."""
    fleet.kubectl("create", "serviceaccount", "nosy")
    config = bench.service_account_kubeconfig(NAMESPACE, "nosy")
    with pytest.raises(CommandFailed, match="Forbidden"):
        bench.kubectl("--kubeconfig", str(config), "-n", NAMESPACE, "get", "secrets")
    nosy = [use for use in bench.uses() if use.account == "nosy" and use.resource == "secrets"]
    assert [(use.verb, use.allowed) for use in nosy] == [("list", False)]


@pytest.mark.parametrize("part", ["operator", "router", "ledger"])
def test_no_part_can_read_secrets_beyond_its_namespace(
    bench: Bench, fleet: Fleet, part: str
) -> None:
    """Nor list them anywhere: a router reads by name what its table names, the others nothing."""
    account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}-{part}"
    mine = [
        verb
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
        if may(bench, account, verb, "secrets", "-n", NAMESPACE)
    ]
    assert mine == (["get"] if part == "router" else [])
    elsewhere = (("-n", "kube-system"), ("-n", "default"), ("--all-namespaces",))
    assert not [
        (verb, where)
        for verb in ("get", "list")
        for where in elsewhere
        if may(bench, account, verb, "secrets", *where)
    ]
    for resource in (
        "serviceaccounts/token",
        "pods/exec",
        "rolebindings.rbac.authorization.k8s.io",
    ):
        assert not may(bench, account, "create", resource, "-n", NAMESPACE)


def may(bench: Bench, account: str, verb: str, resource: str, *where: str) -> bool:
    """As the API server itself judges."""
    kind, _, below = resource.partition("/")
    part = (f"--subresource={below}",) if below else ()
    said = bench.kubectl("auth", "can-i", verb, kind, *part, *where, account, check=False)
    return said.strip() == "yes"


def test_a_pod_that_breaks_the_standard_is_refused(bench: Bench, fleet: Fleet) -> None:
    """In the namespace in which all of ours were admitted: the label acts."""
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "root", "image": "x"}]},
    }
    with pytest.raises(CommandFailed, match='violates PodSecurity "restricted:latest"'):
        bench.kubectl("create", "-f", "-", input=json.dumps(pod))
    for component, count in (("operator", 1), ("router", 2), ("ledger", 1)):
        assert fleet.are_ready(component, count)


def test_files_of_keys_are_the_routers_alone(fleet: Fleet) -> None:
    """Nobody else of the node may read them, and they are in memory."""
    for pod in fleet.pods("router"):
        folder = fleet.bench.volume(NAMESPACE, pod["metadata"]["name"], "keys")
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
        assert Path("/dev/shm") in folder.parents
