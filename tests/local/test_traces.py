"""`pointsman up --otlp-endpoint`: traces and metrics of what a machine serves."""

from pathlib import Path

import openai
import pytest

from tests.local.running import run, up
from tests.support.collector import collecting

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "01-one-model"


@pytest.mark.local
def test_a_collector_gets_every_request(tmp_path: Path) -> None:
    """Its span and its attempt's, with the decision; metrics, too, by the end at the latest."""
    with collecting() as collector:
        with up(
            str(EXAMPLE), "--port", "0", "--time-scale", "20", "--otlp-endpoint", collector.url
        ) as running:
            url = running.url
            running.wait_for("ready")
            with openai.OpenAI(base_url=url, api_key="k", max_retries=0, timeout=30) as sdk:
                (model,) = sdk.models.list().data
                asked = sdk.chat.completions.with_raw_response.create(
                    model=model.id, messages=[{"role": "user", "content": "hi"}], max_tokens=5
                )
            decision = asked.headers["x-pointsman-decision-id"]
        assert running.process.returncode == 0
    spans = {span.kind: span for span in collector.spans}
    assert len(collector.spans) == 2
    server, client = spans["SERVER"], spans["CLIENT"]
    assert server.attributes["pointsman.decision.id"] == decision
    assert (client.trace, client.parent) == (server.trace, server.id)
    assert "gen_ai.client.operation.duration" in collector.metrics


@pytest.mark.local
@pytest.mark.parametrize("endpoint", ["collector", "http://a:b@c:4318"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    """In one line, before anything starts."""
    done = run("up", str(EXAMPLE), "--otlp-endpoint", endpoint)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pointsman up: --otlp-endpoint must ")
    assert done.stderr.count("\n") == 1
