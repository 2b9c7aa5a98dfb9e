"""Parameters that LiteLLM adds and takes away, and values that stand in the environment."""

import math

import pytest

from pointsman.cli.migration.defaults import defaults
from pointsman.cli.migration.reading import Kind
from tests.cli.migration.configs import backend, entry, made_of, policy


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00001, "0.00001"), ("1e-5", "0.00001"), (1e22, "1" + "0" * 22), (0.2, "0.2"), (1, "1"),
     (True, "true"), ("low", "low"), ("1e", "1e")],
)  # fmt: skip
def test_numbers_are_written_without_an_exponent(value: object, text: str) -> None:
    """YAML 1.1 reads one as a text, unless it has a point."""
    made = defaults({"temperature": value})

    assert made.profile == {"parameters": [{"name": "temperature", "default": text}]}
    assert made.said == ()


@pytest.mark.parametrize(
    "value",
    [{"effort": "high"}, ["high"], "", "x" * 257, math.inf, math.nan, 1e-300, "1e999999999"],
)
def test_a_default_that_cannot_be_one_is_told(value: object) -> None:
    """And no other is written in its place."""
    made = defaults({"reasoning_effort": value})
    (said,) = made.said

    assert made.profile == {}
    assert said[1].startswith("litellm_params.reasoning_effort: no number")


def test_what_is_dropped_has_no_default() -> None:
    """LiteLLM drops last: the model never gets it; twice is once."""
    made = made_of([entry("m", temperature=1, additional_drop_params=["temperature", "user"] * 2)])

    assert backend(made, "m")["promptProfile"]["parameters"] == [
        {"name": "temperature", "remove": True}, {"name": "user", "remove": True},
    ]  # fmt: skip
    assert "cannot be removed" not in made.text()


def test_more_than_there_is_room_for_is_told() -> None:
    """Parameters and stop sequences."""
    drop = [f"p{i}" for i in range(40)]
    made = made_of([entry("m", additional_drop_params=drop, stop=["a", "b" * 65, *"cdef"])])
    found = backend(made, "m")["promptProfile"]

    assert (len(found["parameters"]), found["stop"]) == (32, ["a", "c", "d", "e"])
    assert "# at most 32 parameters are changed" in made.text()
    assert "# litellm_params.stop: at most 4 texts" in made.text()


def test_values_in_the_environment_are_told_and_not_written() -> None:
    """At their model, and counted by --strict. Providers, URLs and keys are another thing."""
    there = "os.environ/THERE"
    made = made_of(
        [
            entry(
                "m", custom_llm_provider=there, api_key="os.environ/KEY", temperature=there,
                timeout=there, rpm=there, tags=there, stop=there, additional_drop_params=there,
                id=there, max_input_tokens=there, input_cost_per_token=there,
            )
        ],
        {"THERE": "openai"},
        router_settings={"timeout": there, "num_retries": there, "enable_tag_filtering": True},
    )  # fmt: skip
    told = {one.path for one in made.notes if one.kind is Kind.REFUSED}

    assert {path.rsplit(".", 1)[-1] for path in told} == {
        "temperature", "timeout", "rpm", "tags", "stop", "additional_drop_params", "id",
        "max_input_tokens", "input_cost_per_token",
    }  # fmt: skip
    assert "router_settings.timeout" in told
    assert "os.environ/" not in made.text()
    assert "# litellm_params.temperature: its value is in the variable THERE" in made.text()
    assert backend(made, "m")["external"] == {
        "url": "https://api.openai.com/v1", "credentialsSecretRef": {"name": "key"},
    }  # fmt: skip
    assert "rules" not in policy(made, "m")


def test_a_model_name_in_the_environment_is_refused() -> None:
    """Nobody would ask for os.environ/NAME."""
    made = made_of([entry("os.environ/NAME", "openai/x"), entry("b")])

    assert any("its model_name is in a variable" in one.message for one in made.notes)
    assert [one.value.metadata.name for one in made.loaded().policies] == ["b"]


@pytest.mark.parametrize("name", ["OPENAI-KEY2", "sk-hush", ""])
def test_a_key_in_what_is_no_variable_is_told(name: str) -> None:
    """There is a Secret for it; what was written may be the key itself, so it is nowhere."""
    made = made_of([entry("m", api_key=f"os.environ/{name}")])
    (note,) = [one for one in made.notes if one.kind is Kind.REFUSED]

    assert note.path == "model_list[0].litellm_params.api_key"
    assert "put the key itself into the Secret" in note.message
    assert backend(made, "m")["external"]["credentialsSecretRef"] == {"name": "m-key"}
    assert "put the key itself into the Secret" in made.text()
    assert not name or name not in made.text() + str(note)
