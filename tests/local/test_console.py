"""`pointsman up` has a console for who is at this machine."""

import contextlib
import http.cookiejar
import re
import time
import urllib.error
import urllib.request
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.local.running import DEADLINE_S, up

pytestmark = pytest.mark.local

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "01-one-model"


def test_its_address_is_said_and_opens(tmp_path: Path) -> None:
    """With the rights of an operator."""
    with up(str(EXAMPLE), "--port", "0", "--ledger", str(tmp_path / "ledger.db")) as running:
        address = running.wait_for("console: at ").split()[-1]
        with urllib.request.urlopen(address, timeout=30) as answer:
            page = answer.read().decode()

    assert "Reviews" in page
    assert ">operator<" in page


POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: old}
spec: {model: m, deployment: {engine: Simulator}}
---
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: new}
spec: {model: m, deployment: {engine: Simulator}}
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [chat]
  default: {targets: [{backendRef: {name: BACKEND}}]}
  rollout:
    steps:
      - {weightPercent: 20, minRequests: 0, minDuration: 1s, approval: true}
      - {weightPercent: 60, minRequests: 0, minDuration: 1s}
"""


def test_a_rollout_is_approved_and_then_aborted_there(tmp_path: Path) -> None:
    """As in a cluster; the files are left as they are."""
    file = tmp_path / "desk.yaml"
    file.write_text(POLICY.replace("BACKEND", "old"))
    with up(str(file), "--port", "0", "--ledger", str(tmp_path / "ledger.db")) as running:
        console = Browsing(running.wait_for("console: at ").split()[-1])
        running.wait_for("policy desk: in force")
        edited = POLICY.replace("BACKEND", "new")
        file.write_text(edited)
        running.wait_for("AwaitingApproval: step 1 of 2")
        console.until("rollouts/desk", "AwaitingApproval")
        assert "Approved, under your name" in console.press("rollouts/desk", "approve")
        running.wait_for("Progressing: step 2 of 2")
        console.until("rollouts/desk", "step 2 of 2")
        assert "Aborted" in console.press("rollouts/desk", "abort")
        running.wait_for("Aborted: ")
        console.until("rollouts/desk", "AbortRequested")
        assert "rollout-approve" in console.get("audit")
        assert "1 of 1" in console.get("flow")
        assert file.read_text() == edited


class Browsing:
    """Keeps its session, sends forms as pages have them."""

    def __init__(self, address: str) -> None:
        self._address = address
        jar = http.cookiejar.CookieJar(
            http.cookiejar.DefaultCookiePolicy(strict_ns_domain=0, netscape=True)
        )
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, path: str, form: dict[str, str] | None = None) -> str:
        """The page, after redirects."""
        origin = self._address.removesuffix("/console/")
        data = urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(self._address + path, data, {"Origin": origin})
        with self._opener.open(request, timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def press(self, path: str, action: str) -> str:
        """A button of the page."""
        fields = re.findall(r'name="(form_token|revision|step)" value="([^"]*)"', self.get(path))
        found = {name: unescape(value) for name, value in fields}
        return self.get(path, {**found, "action": action})

    def until(self, path: str, text: str) -> None:
        """The page says so."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            with contextlib.suppress(urllib.error.HTTPError):
                if text in self.get(path):
                    return
            time.sleep(0.2)
        raise AssertionError(f"{path} never said {text!r}:\n{self.get(path)}")
