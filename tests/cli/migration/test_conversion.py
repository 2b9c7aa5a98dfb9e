"""What becomes of a LiteLLM config: every part has its place, a comment, or a reason."""

import re
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pointsman.cli.migration.commands import samples
from pointsman.cli.migration.comparing import Comparison, Judge
from pointsman.cli.migration.conversion import imported
from pointsman.cli.migration.reading import BadConfig, Kind
from pointsman.cli.policies import compiled_of
from tests.cli.migration.configs import (
    EXAMPLE,
    backend,
    chain,
    entry,
    made_of,
    policy,
    targets,
    text_of,
)


def test_a_deployment_becomes_a_backend() -> None:
    """Model, URL, key, prices, window."""
    made = made_of(
        [
            entry(
                "chat", "openai/gpt-4o", api_key="os.environ/OPENAI_API_KEY",
                input_cost_per_token="2.5e-6", output_cost_per_token=1e-05,
                cache_read_input_token_cost=1.25e-06, max_input_tokens=128_000,
                max_parallel_requests=40, temperature=0.2,
            )
        ]
    )  # fmt: skip
    found = backend(made, "chat")
    assert found["model"] == "gpt-4o"
    assert found["external"]["url"] == "https://api.openai.com/v1"
    assert found["external"]["credentialsSecretRef"]["name"] == "openai-api-key"
    assert found["cost"] == {
        "inputPerMillion": "2.5", "outputPerMillion": "10", "cachedInputPerMillion": "1.25",
    }  # fmt: skip
    assert (found["contextWindow"], found["maxConcurrentRequests"]) == (128_000, 40)
    assert found["promptProfile"]["parameters"] == [{"name": "temperature", "default": "0.2"}]


def test_tools_and_images_go_where_they_went() -> None:
    """LiteLLM asks everybody; a backend without capabilities would be skipped here."""
    made = made_of([entry("a"), entry("b", supports_vision=False)])
    assert backend(made, "a")["capabilities"] == ["Tools", "Vision"]
    assert backend(made, "b")["capabilities"] == ["Tools"]


def test_the_secret_has_no_value_and_the_command_that_puts_it_in() -> None:
    """Two hosts, one variable: one Secret that both may see; applied again it takes no key away."""
    made = made_of(
        [
            entry("a", api_key="os.environ/KEY"),
            entry("b", api_base="https://example.com/v1", api_key="os.environ/KEY"),
        ]
    )
    (secret,) = made.loaded().others
    assert secret.value["metadata"]["name"] == "key"
    annotations = secret.value["metadata"]["annotations"]
    assert annotations == {"pointsman.dev/allowed-hosts": "api.openai.com,example.com"}
    assert not {"data", "stringData"} & set(secret.value)
    assert 'printf %s "$KEY" | kubectl create secret generic key' in made.text()


def test_no_value_that_may_be_a_secret_is_ever_written() -> None:
    """Neither into the YAML nor into a message."""
    made = imported(
        text_of(
            [
                entry(
                    "a", api_key="sk-hush-1", extra_headers={"x": "sk-hush-2"}, apikey="sk-hush-3"
                ),
                entry("b", "bedrock/x", aws_secret_access_key="sk-hush-4"),
                entry("c", api_base="https://me:sk-hush-5@example.com/v1"),
            ],
            general_settings={"master_key": "sk-hush-6", "masterkey": "sk-hush-7"},
            environment_variables={"X": "sk-hush-8"},
            litellm_settings={"cache_params": {"password": "sk-hush-9"}},
        ),
        {},
    )
    assert "hush" not in made.text() + "".join(map(str, made.notes)) + repr(made.config)
    assert "a-key" in made.text()


@pytest.mark.parametrize(
    ("params", "url"),
    [
        ({"model": "gpt-4o"}, "https://api.openai.com/v1"),
        ({"model": "claude-x"}, "https://api.anthropic.com/v1"),
        ({"model": "openai/x", "api_base": "https://h.example/v1/"}, "https://h.example/v1"),
        (
            {"model": "azure/d", "api_base": "https://n.openai.azure.com/"},
            "https://n.openai.azure.com/openai/v1",
        ),
        ({"model": "deepseek/deepseek-chat"}, "https://api.deepseek.com/v1"),
        ({"model": "openrouter/a/b"}, "https://openrouter.ai/api/v1"),
        ({"model": "groq/x"}, "https://api.groq.com/openai/v1"),
        (
            {"model": "gemini/x"},
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ({"model": "ollama/llama3"}, "http://localhost:11434/v1"),
        ({"model": "x/y", "custom_llm_provider": "mistral"}, "https://api.mistral.ai/v1"),
        ({"model": "openai/x", "api_base": "os.environ/BASE"}, "https://of-env.example/v1"),
    ],
)
def test_providers_have_urls(params: dict[str, str], url: str) -> None:
    """By prefix, by name, by api_base; a URL may be in the environment, a key never is read."""
    model = params.pop("model")
    made = made_of([entry("m", model, **params)], {"BASE": "https://of-env.example/v1"})
    assert backend(made, "m")["external"]["url"] == url


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("http://vllm:8000/v1", "vllm"),
        ("http://vllm.models.svc:8000/v1", "vllm"),
        ("http://vllm.models.svc.cluster.local:8000/v1/", "vllm"),
    ],
)
def test_plain_http_is_a_service(base: str, name: str) -> None:
    """The namespace is told: a Service is used where the backend is."""
    made = made_of([entry("m", "hosted_vllm/Qwen/Qwen3-8B", api_base=base)])
    assert backend(made, "m")["service"] == {"name": name, "port": 8000}
    assert backend(made, "m")["model"] == "Qwen/Qwen3-8B"
    assert "has to be where this is applied" in made.text()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"model": "bedrock/x"}, "SigV4"),
        ({"model": "vertex_ai/gemini-x"}, "short-lived tokens"),
        ({"model": "vllm/x"}, "spec.deployment.engine"),
        ({"model": "azure/x"}, "needs an api_base"),
        ({"model": "hosted_vllm/x"}, "needs an api_base"),
        ({"model": "opnai/x"}, "did you mean openai?"),
        ({"model": "mystery"}, "its provider cannot be told"),
        ({"model": "openai/x", "api_base": "http://10.0.0.1/v1"}, "neither https://"),
        ({"model": "openai/x", "api_base": "http://example.com/v1"}, "neither https://"),
        ({"model": "openai/x", "api_base": "http://svc:8000/api"}, "another path than /v1"),
        ({"model": "openai/x", "api_base": "http://svc:99999/v1"}, "port"),
        ({"model": "openai/x", "api_base": "os.environ/BASE"}, "import again with it set"),
        ({"model": "openai/with space"}, "not allowed"),
        ({"model": "openai/*"}, "not allowed"),
    ],
)
def test_what_cannot_be_asked_is_refused_aloud(params: dict[str, str], said: str) -> None:
    """With what to do; the others are imported, and the policy says who is missing."""
    model = params.pop("model")
    made = made_of([entry("m", model, **params), entry("m", "openai/x")])
    refused = [note for note in made.notes if note.kind is Kind.REFUSED]
    assert said in refused[0].message
    assert refused[0].line > 0
    assert "without model_list[0], which could not be imported" in made.text()


def test_names_are_made_without_collisions() -> None:
    """Signs, digits at the beginning, length, and two that become the same."""
    groups = ["GPT 4.1", "gpt-4.1", "4o", "x" * 80, "x" * 81, "é"]
    made = made_of([entry(group, "openai/x") for group in groups])
    names = [item.value.metadata.name for item in made.loaded().backends]
    assert names[:3] == ["gpt-4-1", "gpt-4-1-2", "m-4o"]
    assert len(set(names)) == len(groups)
    assert all(len(name) <= 57 for name in names)


def test_weights_become_shares() -> None:
    """weight before rpm before tpm; fractions become whole numbers with the same ratio."""
    weighed = [entry("m", id="a", weight=0.7), entry("m", id="b", weight=0.3, rpm=9)]
    assert targets(policy(made_of(weighed), "m")["default"]) == {"a": 7, "b": 3}
    by_rpm = [entry("m", id="a", rpm=900), entry("m", id="b", rpm=300)]
    assert targets(policy(made_of(by_rpm), "m")["default"]) == {"a": 3, "b": 1}
    none = [entry("m", id="a"), entry("m", id="b")]
    assert targets(policy(made_of(none), "m")["default"]) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ((0.9996, 0.0004), (2499, 1)),
        ((3e-9, 1e-9), (3, 1)),
        ((0.2, 0.3, 0.5), (2, 3, 5)),
        ((1 / 3, 2 / 3), (1, 2)),
        ((1e9, 1), (1_000_000, 1)),
        ((5e6, 1, 2.5e6), (1_000_000, 1, 500_000)),
        ((2000, 1000), (2, 1)),
    ],
)
def test_small_weights_keep_their_share(given: tuple[float, ...], written: tuple[int, ...]) -> None:
    """Never equal where they were not, and never above what a policy takes."""
    models = [entry("m", id=f"b{i}", weight=weight) for i, weight in enumerate(given)]
    found = targets(policy(made_of(models), "m")["default"])
    assert tuple(found.values()) == written


@given(st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=16))
def test_shares_are_those_of_the_weights(given: list[float]) -> None:
    """To a thousandth of the whole, whatever they are; nobody is left out."""
    models = [entry("m", id=f"b{i}", weight=weight) for i, weight in enumerate(given)]
    found = [*targets(policy(made_of(models), "m")["default"]).values()]
    assert 1 <= min(found) <= max(found) <= 1_000_000
    for weight, count in zip(given, found, strict=True):
        assert abs(weight / sum(given) - count / sum(found)) < 0.001


def test_the_cheapest_answers_where_cost_decides() -> None:
    """With every price known; the dearer one follows."""
    prices: dict[str, Any] = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    dear: dict[str, Any] = {"input_cost_per_token": 3e-6, "output_cost_per_token": 2e-6}
    models = [entry("m", id="a", **dear), entry("m", id="b", **prices)]
    made = made_of(models, router_settings={"routing_strategy": "cost-based-routing"})
    found = policy(made, "m")["default"]
    assert (targets(found), chain(found)) == ({"b": 1}, ["a"])


def test_order_and_fallbacks_become_the_chain() -> None:
    """Lower orders first, then the groups it falls back to, and theirs; equal ones may follow."""
    models = [
        entry("a", id="a2", order=2), entry("a", id="a1", order=1), entry("b"), entry("c"),
        entry("d"),
    ]  # fmt: skip
    made = made_of(
        models, router_settings={"fallbacks": [{"a": ["b", "d"]}, {"b": ["c"]}], "timeout": 30}
    )
    found = policy(made, "a")["default"]
    assert targets(found) == {"a1": 1}
    assert chain(found) == ["a2", "b", "c", "d"]
    assert found["timeouts"] == {"firstToken": "30s", "request": "150s"}
    assert found["fallback"]["deadline"] == "150s"


def test_a_chain_only_for_long_prompts() -> None:
    """context_window_fallbacks alone do not answer errors."""
    made = made_of(
        [entry("a", max_input_tokens=1000), entry("b")],
        litellm_settings={"context_window_fallbacks": [{"a": ["b"]}]},
    )
    assert policy(made, "a")["default"]["fallback"]["when"] == ["ContextWindow"]


def test_aliases_are_names_and_own_fallbacks_make_them_policies() -> None:
    """Hidden or not; an alias that falls back elsewhere is answered differently."""
    made = made_of(
        [entry("a"), entry("b")],
        router_settings={
            "model_group_alias": {"gpt-4": "a", "own": {"model": "a", "hidden": True}},
            "fallbacks": [{"own": ["b"]}],
        },
    )
    assert policy(made, "a")["modelNames"] == ["a", "gpt-4"]
    assert chain(policy(made, "a")["default"]) == []
    assert chain(policy(made, "own")["default"]) == ["b"]


def test_tags_become_rules() -> None:
    """One for each tag, by header; without one the default ones answer."""
    models = [
        entry("m", id="free", tags=["free"]), entry("m", id="paid", tags=["paid", "default"]),
    ]  # fmt: skip
    made = made_of(models, router_settings={"enable_tag_filtering": True})
    found = policy(made, "m")
    assert targets(found["default"]) == {"paid": 1}
    assert [(one["name"], targets(one)) for one in found["rules"]] == [
        ("tag-free", {"free": 1}), ("tag-paid", {"paid": 1}),
    ]  # fmt: skip
    header = {"name": "x-litellm-tags", "value": "free"}
    assert found["rules"][0]["match"] == {"headers": [header]}


def test_unknown_keys_are_named_with_what_was_meant() -> None:
    """Everywhere, with the line."""
    made = made_of(
        [entry("a", temperatur=1), {**entry("b"), "modelinfo": {}}],
        router_setting={},
        router_settings={"fallback": []},
    )
    found = {n.path: (n.message, n.line) for n in made.notes if n.kind is Kind.UNKNOWN}
    assert found["router_setting"][0] == "unknown key (did you mean router_settings?)"
    assert found["router_settings.fallback"][0] == "unknown key (did you mean fallbacks?)"
    at = "model_list[0].litellm_params.temperatur"
    assert found[at][0] == "unknown key (did you mean temperature?)"
    assert found["model_list[1].modelinfo"][0] == "unknown key (did you mean model_info?)"
    assert text_of([entry("a", temperatur=1)]).splitlines()[found[at][1] - 1].count("temperatur")


def test_what_has_no_counterpart_is_a_comment() -> None:
    """Of the whole file at its head, of a deployment at its object."""
    text = made_of(
        [entry("a", organization="o", rpm=3, supports_reasoning=True)],
        router_settings={"num_retries": 5, "cooldown_time": 3, "routing_strategy": "least-busy"},
        litellm_settings={"cache": True, "drop_params": True, "callbacks": ["x"]},
        general_settings={"master_key": "x", "database_url": "y"},
    ).text()
    for path in (
        "router_settings.num_retries", "router_settings.cooldown_time", "litellm_settings.cache",
        "litellm_settings.drop_params", "litellm_settings.callbacks", "general_settings.master_key",
        "general_settings.database_url", "litellm_params.organization", "model_info.supports_reas",
        "rpm: a share",
    ):  # fmt: skip
        assert re.search(rf"^ *# .*{re.escape(path)}", text, re.MULTILINE), path


def test_another_strategy_is_told_where_it_would_be() -> None:
    """Equal weights stand for it."""
    made = made_of(
        [entry("a", id="x"), entry("a", id="y")],
        router_settings={"routing_strategy": "latency-based-routing"},
    )
    assert "# routing_strategy latency-based-routing chooses by load" in made.text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no mapping with a model_list"),
        ("- a", "no mapping with a model_list"),
        ("a: [", "it is no YAML"),
        ("a: \x00", "it is no YAML"),
        ("router_settings: {}", "it has no model_list"),
        ("models_list: []", "did you mean models_list?"),
        ("model_list: []", "it has no model_list"),
        ("model_list: {}", "it has no model_list"),
        ("model_list: [3]", "line 1: model_list[0]: it is no mapping"),
        ("model_list:\n- model_name: x", "line 2: model_list[0]: it has no litellm_params.model"),
        ("model_list:\n- litellm_params: {model: x}", "it has no model_name"),
        ("model_list: [{model_name: a, litellm_params: {model: x}, model_info: 3}]", "model_info"),
        ("model_list: [{}]\nrouter_settings: [3]", "router_settings is no mapping"),
        ("a: &a [*a]\nmodel_list: []", "nested deeper than"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n"
                for i in range(7)
            ),
            "too many values",
        ),
    ],
)
def test_a_file_that_is_none_says_why(text: str, said: str) -> None:
    """And nothing is made of it."""
    with pytest.raises(BadConfig, match=re.escape(said)):
        imported(text, {})


def test_a_key_that_stands_twice_is_told() -> None:
    """The last one counts, as it does in LiteLLM."""
    text = "model_list:\n- model_name: a\n  model_name: b\n  litellm_params: {model: gpt-4o}\n"
    made = imported(text, {})
    (note,) = [one for one in made.notes if "stands twice" in one.message]
    assert (note.path, note.line) == ("model_list[0].model_name", 3)
    assert policy(made, "b")["modelNames"] == ["b"]


def test_equal_deployments_are_one_with_the_weight_of_both() -> None:
    """And two with one id are two."""
    made = made_of([entry("m", "openai/x"), entry("m", "openai/x"), entry("m", "openai/y")])
    assert targets(policy(made, "m")["default"]) == {"m-openai": 2, "m-openai-2": 1}
    assert any("equal to model_list[0]" in one.message for one in made.notes)
    made = made_of([entry("m", "openai/x", id="i"), entry("m", "openai/y", id="i")])
    assert targets(policy(made, "m")["default"]) == {"i": 1, "i-2": 1}
    assert any("model_info.id is that of" in one.message for one in made.notes)


def test_equal_deployments_weigh_together_where_the_first_order_is_lost() -> None:
    """The next order is first then, with the shares that it has in LiteLLM."""
    made = made_of(
        [
            entry("m", "bedrock/q", order=1), entry("m", "openai/x", order=2),
            entry("m", "openai/x", order=2), entry("m", "openai/y", order=2),
        ]
    )  # fmt: skip
    assert targets(policy(made, "m")["default"]) == {"m-openai": 2, "m-openai-2": 1}


def test_equal_deployments_are_no_chain() -> None:
    """What follows for long prompts alone does not answer errors because of them."""
    made = made_of(
        [entry("m", "openai/x"), entry("m", "openai/x"), entry("b", max_input_tokens=9000)],
        router_settings={"context_window_fallbacks": [{"m": ["b"]}]},
    )
    found = policy(made, "m")["default"]["fallback"]
    assert (found["when"], found["chain"]) == (["ContextWindow"], [{"name": "b"}])


def test_fallbacks_in_a_circle_end() -> None:
    """Each model once, and it is told."""
    made = made_of(
        [entry("a"), entry("b")], router_settings={"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}
    )
    assert chain(policy(made, "a")["default"]) == ["b"]
    assert any("a leads back to itself" in one.message for one in made.notes)


def test_fallbacks_that_lead_nowhere_are_told() -> None:
    """A model that is not in the list, on either side, and a list that is none."""
    made = made_of(
        [entry("a")],
        router_settings={
            "fallbacks": [{"a": ["ghost"]}, {"phantom": ["a"]}],
            "context_window_fallbacks": {"a": ["b"]},
            "model_group_alias": {"x": "nobody"},
        },
    )
    told = " ".join(one.message for one in made.notes)
    assert "a falls back to ghost" in told
    assert "there is no model phantom" in told
    assert "is no list of" in told
    assert "there is no model nobody" in told


def test_a_wildcard_is_refused() -> None:
    """Callers name models here."""
    made = made_of([entry("openai/*", "openai/gpt-4o"), entry("b")])
    assert any("a name with *" in one.message for one in made.notes)
    assert [one.value.metadata.name for one in made.loaded().policies] == ["b"]


GROUPS = st.sampled_from(["a", "b", "c"])
ENTRIES = st.builds(
    entry,
    GROUPS,
    st.sampled_from(["openai/x", "openai/y", "ollama/z", "bedrock/q", "hosted_vllm/v"]),
    weight=st.sampled_from([0, 1, 2, 0.5, 3.25]),
    order=st.sampled_from([1, 2]),
    tags=st.lists(st.sampled_from(["t", "u", "default"]), max_size=2, unique=True),
    max_input_tokens=st.sampled_from([300, 700]),
    timeout=st.sampled_from([1, 30, 0.5, 600]),
)
LISTS = st.lists(
    st.dictionaries(GROUPS, st.lists(GROUPS, min_size=1, max_size=3), min_size=1, max_size=1),
    max_size=3,
)


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    models=st.lists(ENTRIES, min_size=1, max_size=5),
    router=st.fixed_dictionaries(
        {
            "fallbacks": LISTS,
            "context_window_fallbacks": LISTS,
            "enable_tag_filtering": st.booleans(),
            "model_group_alias": st.dictionaries(st.sampled_from(["x", "y"]), GROUPS, max_size=2),
        }
    ),
)
def test_whatever_is_imported_is_valid_and_decides_alike(
    models: list[dict[str, object]], router: dict[str, object]
) -> None:
    """No config makes YAML that `pointsman check` refuses, or a difference without a comment."""
    made = made_of(models, router_settings=router)
    if not made.policies.documents:
        return
    judge, found = Judge(made, compiled_of(made.loaded())), Comparison()
    for seen in samples(made):
        found.add(judge.judge(seen))
    assert [one for one in found.differences if not one.explained] == []


def test_tags_go_on_through_fallbacks() -> None:
    """As LiteLLM keeps them; the tag default is a rule where it leads elsewhere than no tag."""
    models = [
        entry("a", id="a1", tags=["t", "default"]),
        entry("b", id="b1", tags=["t"]), entry("b", id="b2", tags=["u"]),
    ]  # fmt: skip
    made = made_of(
        models, router_settings={"enable_tag_filtering": True, "fallbacks": [{"a": ["b"]}]}
    )
    found = policy(made, "a")
    assert {one["name"]: chain(one) for one in found["rules"]} == {
        "tag-t": ["b1"], "tag-default": [],
    }  # fmt: skip
    assert chain(found["default"]) == ["b1", "b2"]


def test_a_blocked_model_gets_nothing() -> None:
    """It is a backend in no policy; a group of them has none."""
    made = made_of([entry("a", id="x", blocked=True), entry("a", id="y"), entry("b", blocked=True)])
    assert targets(policy(made, "a")["default"]) == {"y": 1}
    assert [one.value.metadata.name for one in made.loaded().policies] == ["a"]
    assert "model_info.blocked: it is in no policy" in made.text()


def test_the_example_is_imported() -> None:
    """The one of the page."""
    made = imported(EXAMPLE.read_text(), {})
    assert made.errors() == []
    assert len(made.backends.documents) == 5


def test_figures_that_cannot_be_taken_are_told() -> None:
    """No number, or beyond what a field holds."""
    text = made_of(
        [
            entry("a", max_input_tokens="many", max_parallel_requests=0, input_cost_per_token=1e-6,
                  output_cost_per_token=1e-6, cache_read_input_token_cost="cheap"),
            entry("b", max_input_tokens=100),
        ],
        router_settings={"default_max_parallel_requests": "few"},
    ).text()  # fmt: skip
    assert text.count("# model_info.max_input_tokens: contextWindow is 256 to") == 2
    assert text.count("# max_parallel_requests: maxConcurrentRequests is 1 to") == 2
    assert "# no prices: cache_read_input_token_cost" in text


def test_what_an_alias_or_a_fallback_says_beside_a_name_is_told() -> None:
    """Hidden aliases are listed here; a fallback changes the model and nothing else."""
    made = made_of(
        [entry("a"), entry("b")],
        router_settings={
            "model_group_alias": {"x": {"model": "a", "hidden": True}, "y": {"model": "a"}},
            "fallbacks": [{"a": [{"model": "b", "temperature": 1}]}, {"b": [{"model": "a"}]}],
        },
    )
    told = [one.message for one in made.notes if one.kind is Kind.CHANGED]
    assert [one for one in told if "hidden" in one or "changes more" in one] == [
        "is hidden there, and listed in /v1/models here",
        "a fallback of a changes more than the model: here nothing else changes",
    ]
    assert chain(policy(made, "a")["default"]) == ["b"]


def test_a_fallback_to_one_deployment_is_told() -> None:
    """It is one to its whole group here."""
    made = made_of(
        [entry("a"), entry("b", id=7), entry("b", id="other")],
        router_settings={"fallbacks": [{"a": ["7"]}]},
    )
    assert chain(policy(made, "a")["default"]) == ["m-7", "other"]
    assert any("one model of b: here to all" in one.message for one in made.notes)
    assert not any(one.kind is Kind.REFUSED for one in made.notes)


def test_prices_that_only_litellm_knows_are_told() -> None:
    """It has a list of them, and would choose by it."""
    made = made_of(
        [entry("a", "openai/x", input_cost_per_token=1e-6), entry("a", "openai/y")],
        router_settings={"routing_strategy": "cost-based-routing"},
    )
    assert "# routing_strategy cost-based-routing: prices that are not in the file" in made.text()


@pytest.mark.parametrize(
    ("model", "variable"),
    [("meta_llama/x", "LLAMA_API_KEY"), ("databricks/x", "DATABRICKS_API_KEY"),
     ("groq/x", "GROQ_API_KEY")],
)  # fmt: skip
def test_a_key_is_in_the_variable_that_litellm_reads(model: str, variable: str) -> None:
    """Where the config names none."""
    made = made_of([entry("a", model, api_base="https://example.com/v1")])
    assert f"# Its value is in the variable {variable};" in made.text()
