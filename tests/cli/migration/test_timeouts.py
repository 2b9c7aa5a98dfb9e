"""What becomes of LiteLLM's timeouts: no answer is cut that it would have let come."""

from typing import Any

import pytest

from tests.cli.migration.configs import chain, entry, made_of, policy

LONG: dict[str, Any] = {"timeout": 600, "stream_timeout": 5}


def test_a_whole_answer_is_not_cut_where_a_stream_would_be() -> None:
    """Where another may answer, firstToken is of whole answers, too: a second one would be paid."""
    made = made_of([entry("a", id="a1", **LONG), entry("a", id="a2", **LONG)])
    found = policy(made, "a")["default"]

    assert chain(found) == ["a1", "a2"]
    assert found["timeouts"] == {"firstToken": "10m", "request": "20m"}
    assert found["fallback"]["deadline"] == "20m"
    assert "# stream_timeout (5s) is left out" in made.text()


@pytest.mark.parametrize("lists", [{}, {"context_window_fallbacks": [{"a": ["b"]}]}])
def test_a_stream_keeps_its_timeout_where_nobody_else_answers(lists: dict[str, Any]) -> None:
    """Nor where others answer only what is too long."""
    made = made_of([entry("a", **LONG), entry("b", **LONG)], router_settings=lists)

    assert policy(made, "a")["default"]["timeouts"]["firstToken"] == "5s"
    assert "is left out" not in made.text()


def test_a_stream_that_may_take_longer_than_the_rest_may_do_so() -> None:
    """And it is told that all others may, too."""
    made = made_of([entry("a", timeout=5, stream_timeout=90)])

    assert policy(made, "a")["default"]["timeouts"] == {"firstToken": "90s", "request": "90s"}
    assert "# stream_timeout is longer than timeout" in made.text()


def test_a_model_without_a_timeout_is_not_cut_by_its_neighbors() -> None:
    """Neither for a whole answer nor for a stream's first token."""
    made = made_of([entry("a", id="a1", timeout=30, stream_timeout=5), entry("a", id="a2")])

    assert policy(made, "a")["default"]["timeouts"]["firstToken"] == "10m"
    text = made.text()
    assert "the models have several timeouts" in text
    assert "no timeout is set" in text


def test_whoever_is_tried_has_the_time_of_its_own() -> None:
    """A slow model after a fast one: both times are in the deadline, each model once."""
    made = made_of(
        [entry("a", id="a1", timeout=5), entry("a", id="a2", timeout=5), entry("b", timeout=300)],
        router_settings={"fallbacks": [{"a": ["b"]}]},
    )
    found = policy(made, "a")["default"]

    assert found["timeouts"] == {"firstToken": "5s", "request": "310s"}
    assert found["fallback"]["deadline"] == "310s"
