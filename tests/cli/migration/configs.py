"""LiteLLM configs of the tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pointsman.cli.migration.conversion import Imported, imported

ROOT = Path(__file__).parent.parent.parent.parent
EXAMPLE = ROOT / "docs" / "litellm" / "config.yaml"


def entry(group: str, model: str = "", **more: Any) -> dict[str, Any]:
    """A deployment of OpenAI; `id`, prices and windows are of its model_info."""
    of_info = {"id", "blocked", "max_input_tokens", "mode", "max_tokens"}
    info = {key: value for key, value in more.items() if key in of_info or "supports" in key}
    params = {key: value for key, value in more.items() if key not in info}
    made = {"model_name": group, "litellm_params": {"model": model or f"openai/{group}", **params}}
    return {**made, **({"model_info": info} if info else {})}


def text_of(models: Sequence[Mapping[str, Any]], **sections: Mapping[str, Any]) -> str:
    """As a file: JSON is YAML."""
    return json.dumps({"model_list": list(models), **sections}, indent=1)


def made_of(
    models: Sequence[Mapping[str, Any]],
    environment: Mapping[str, str] | None = None,
    **sections: Mapping[str, Any],
) -> Imported:
    """What is made of it; it passes `pointsman check`."""
    made = imported(text_of(models, **sections), environment or {})
    assert made.errors() == []
    return made


def backend(made: Imported, name: str) -> dict[str, Any]:
    """The spec of a backend."""
    for item in made.loaded().backends:
        if item.value.metadata.name == name:
            return item.value.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raise AssertionError(f"no backend {name}")


def policy(made: Imported, name: str) -> dict[str, Any]:
    """The spec of a policy."""
    for item in made.loaded().policies:
        if item.value.metadata.name == name:
            return item.value.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raise AssertionError(f"no policy {name}")


def targets(route: Mapping[str, Any]) -> dict[str, int]:
    """Weights by backend."""
    return {one["backendRef"]["name"]: one.get("weight", 1) for one in route["targets"]}


def chain(route: Mapping[str, Any]) -> list[str]:
    """Who follows."""
    return [one["name"] for one in (route.get("fallback") or {"chain": []})["chain"]]
