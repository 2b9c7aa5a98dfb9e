"""PURE: deployments of LiteLLM as ModelBackends, and their keys as Secrets without a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pointsman.api.names import ANNOTATION_ALLOWED_HOSTS, API_VERSION, LABEL_CREDENTIAL
from pointsman.cli.migration.known import (
    DEFAULTS,
    INFO_PREFIXES,
    MODEL_INFO,
    PARAM_PREFIXES,
    PARAMS,
    PRICES,
    advice,
    is_price,
)
from pointsman.cli.migration.naming import MOST_BACKEND, MOST_SECRET, Names
from pointsman.cli.migration.providers import CannotPlace, Place, place
from pointsman.cli.migration.reading import Config, Deployment, Kind, Note
from pointsman.cli.migration.rules import number, texts
from pointsman.cli.migration.writing import Document

_VARIABLE: Final = "os.environ/"
_NO_KEYS: Final = ("", "none", "null", "na", "n/a", "empty", "dummy", "fake", "fake-key", "no-key")
"""What is written where a server wants none; all else is taken for a key."""
_NEVER: Final = ("mode", "litellm_provider", "description", "metadata")
Environment = Mapping[str, str]


@dataclass(slots=True)
class Key:
    """A Secret that has to be made."""

    name: str
    source: str
    """Where its value is: a variable, or a place in the config."""
    variable: bool
    hosts: list[str] = field(default_factory=list)

    def document(self) -> Document:
        """Without a value: applied again, it takes no key away."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "labels": {LABEL_CREDENTIAL: "true"},
                "annotations": {ANNOTATION_ALLOWED_HOSTS: ",".join(self.hosts)},
            },
        }
        begin, value = ("", f"${self.source}") if self.variable else ("read -rs KEY; ", "$KEY")
        where = (
            f"in the variable {self.source}" if self.variable else f"in the config, {self.source}"
        )
        found = Document(body)
        found.say((), f"Its value is {where}; it stands in no file. Put it in with")
        found.say(
            (), f'  {begin}printf %s "{value}" | kubectl create secret generic {self.name} \\'
        )
        found.say((), "    --from-file=api-key=/dev/stdin --dry-run=client -o yaml | \\")
        found.say((), "    kubectl apply --server-side --field-manager=keys -f -")
        return found


class Keys:
    """All Secrets of a config, each once."""

    def __init__(self) -> None:
        self._names = Names(MOST_SECRET)
        self._by_source: dict[str, Key] = {}

    def take(self, source: str, host: str, backend: str, *, variable: bool) -> str:
        """The name of the Secret: after its variable, else after the backend."""
        if source not in self._by_source:
            wanted = source if variable else f"{backend}-key"
            self._by_source[source] = Key(self._names.take(wanted), source, variable)
        key = self._by_source[source]
        if host not in key.hosts:
            key.hosts.append(host)
        return key.name

    def documents(self) -> list[Document]:
        """In the order in which they were needed."""
        return [key.document() for key in self._by_source.values()]


@dataclass(frozen=True, slots=True)
class Backends:
    """What became of model_list."""

    documents: Mapping[int, Document]
    names: Mapping[int, str]
    """By index; of equal deployments the name of the first."""
    notes: tuple[Note, ...]
    keys: Keys


def backends(config: Config, environment: Environment) -> Backends:
    """Each deployment that can be placed; the notes say why others cannot."""
    names, keys = Names(MOST_BACKEND), Keys()
    documents: dict[int, Document] = {}
    found: dict[int, str] = {}
    notes: list[Note] = []
    made: dict[str, int] = {}
    ids: dict[str, int] = {}
    alone = {one.group: 0 for one in config.deployments}
    for one in config.deployments:
        alone[one.group] += 1
    for one in config.deployments:
        same = made.setdefault(repr((one.group, one.params, one.info)), one.index)
        if same != one.index and same in found:
            found[one.index] = found[same]
            message = f"equal to model_list[{same}]: one ModelBackend, with the weight of both"
            notes.append(config.note(Kind.CHANGED, one.path, message))
            continue
        given = one.info.get("id")
        if given is not None and ids.setdefault(str(given), one.index) != one.index:
            message = (
                f"model_info.id is that of model_list[{ids[str(given)]}]: it gets another name"
            )
            notes.append(config.note(Kind.CHANGED, one.path, message))
        try:
            where = _place(one, environment)
        except CannotPlace as error:
            notes.append(config.note(Kind.REFUSED, one.path, f"{one.group}: {error}"))
            continue
        wanted = one.group if alone[one.group] == 1 else f"{one.group}-{where.provider}"
        name = names.take(str(given) if given is not None else wanted)
        found[one.index] = name
        documents[one.index] = _Backend(config, one, where, name).document(keys)
    return Backends(documents, found, tuple(notes), keys)


def _place(one: Deployment, environment: Environment) -> Place:
    model = _known(one.model, "model", environment)
    base = one.params.get("api_base") or one.params.get("base_url") or ""
    named = one.params.get("custom_llm_provider") or ""
    if not isinstance(base, str) or not isinstance(named, str):
        raise CannotPlace("its api_base or custom_llm_provider is no text")
    return place(model, named, _known(base, "api_base", environment))


def _known(text: str, what: str, environment: Environment) -> str:
    """URLs and names may be variables; they are no secrets, so they are read."""
    if not text.startswith(_VARIABLE):
        return text
    name = text.removeprefix(_VARIABLE)
    if not environment.get(name):
        raise CannotPlace(f"its {what} is in the variable {name}: import again with it set")
    return environment[name]


class _Backend:
    """One of them, in the making."""

    def __init__(self, config: Config, one: Deployment, where: Place, name: str) -> None:
        self._config = config
        self._one = one
        self._where = where
        self._name = name
        self._spec: dict[str, object] = {"model": where.model}
        self._document = Document(
            {
                "apiVersion": API_VERSION,
                "kind": "ModelBackend",
                "metadata": {"name": name},
                "spec": self._spec,
            }
        )

    def document(self, keys: Keys) -> Document:
        line = self._config.line(self._one.path)
        self._say((), f"{self._one.path} of {self._one.group}, line {line}")
        self._server(keys)
        self._window()
        self._capabilities()
        self._at_once()
        self._cost()
        self._defaults()
        if self._one.info.get("blocked") is True:
            self._say(("spec",), "model_info.blocked: it is in no policy")
        for section, known, prefixes in (
            ("litellm_params", PARAMS, PARAM_PREFIXES), ("model_info", MODEL_INFO, INFO_PREFIXES)
        ):  # fmt: skip
            values = self._one.params if section == "litellm_params" else self._one.info
            for key in map(str, values):
                said = advice(known, prefixes, key)
                if said != "":
                    unknown = "unknown to pointsman import, left out"
                    self._say(("spec",), f"{section}.{key}: {said or unknown}")
        return self._document

    def _say(self, path: tuple[str | int, ...], message: str) -> None:
        self._document.say(path, message)

    def _server(self, keys: Keys) -> None:
        one, where = self._one, self._where
        if where.service is not None:
            service, port = where.service
            self._spec["service"] = {"name": service, "port": port}
            for said in where.said:
                self._say(("spec", "service"), said)
            if self._key()[0]:
                self._say(("spec", "service"), "litellm_params.api_key: a Service gets no key")
            return
        external: dict[str, object] = {"url": where.url}
        self._spec["external"] = external
        for said in where.said:
            self._say(("spec", "external"), said)
        if one.params.get("api_version") is not None and where.provider != "azure":
            self._say(("spec", "external"), "litellm_params.api_version: a URL has it, or none")
        source, variable = self._key()
        if source and where.url.startswith("https:"):
            name = keys.take(source, where.host, self._name, variable=variable)
            external["credentialsSecretRef"] = {"name": name}
        elif source:
            self._say(("spec", "external"), "litellm_params.api_key: plain http gets no key")

    def _key(self) -> tuple[str, bool]:
        """Where the key is: (a variable, True) or (a place in the config, False); "" for none."""
        given = self._one.params.get("api_key")
        if given is None:
            return self._where.key_variable, True
        text = str(given)
        if text.startswith(_VARIABLE):
            name = text.removeprefix(_VARIABLE)
            return (name, True) if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else ("", True)
        if text.lower() in _NO_KEYS:
            return "", False
        return f"{self._one.path}.litellm_params.api_key", False

    def _window(self) -> None:
        said = number(self._one.either("max_input_tokens"))
        if said is None:
            if self._one.info.get("max_tokens") is not None:
                self._say(("spec",), "model_info.max_tokens: bounds the answer, not the window")
            return
        if not 256 <= said <= 100_000_000:
            self._say(("spec",), "model_info.max_input_tokens: contextWindow is 256 to 100000000")
            return
        self._spec["contextWindow"] = int(said)
        self._say(
            ("spec", "contextWindow"),
            "model_info.max_input_tokens, of the prompt alone; here prompt and answer fit "
            "together, and what does not is not sent but goes to the next",
        )

    def _capabilities(self) -> None:
        """LiteLLM sends tools and images to every model; here only to those that say so."""
        flags = {"Tools": "supports_function_calling", "Vision": "supports_vision"}
        can = [word for word, flag in flags.items() if self._one.info.get(flag) is not False]
        self._spec["capabilities"] = can
        unsaid = [word for word in can if self._one.info.get(flags[word]) is not True]
        if unsaid:
            said = "LiteLLM sends tools and images to every model: take out what it cannot"
            self._say(("spec", "capabilities"), said)

    def _at_once(self) -> None:
        most = number(self._one.params.get("max_parallel_requests"))
        if most is None:
            most = number(self._config.router.get("default_max_parallel_requests"))
        if most is not None and 1 <= most <= 1_000_000:
            self._spec["maxConcurrentRequests"] = int(most)
        minute = [key for key in ("rpm", "tpm") if self._one.either(key) is not None]
        if minute:
            said = f"{' and '.join(minute)}: a share in the policy, never a limit of a backend"
            self._say(("spec",), f"{said}; callers have theirs: `pointsman key limit`")

    def _cost(self) -> None:
        prices = {field: _per_million(self._one.either(key)) for key, field in PRICES.items()}
        found = {name: price for name, price in prices.items() if price is not None}
        given = {key for key in PRICES if self._one.either(key) is not None}
        if {"inputPerMillion", "outputPerMillion"} <= set(found):
            self._spec["cost"] = found
            self._say(("spec", "cost"), "prices of a token, times a million")
        elif given:
            self._say(("spec",), f"{', '.join(sorted(given))}: cost needs input and output prices")
        others = [
            k for k in (*self._one.params, *self._one.info) if is_price(k) and k not in PRICES
        ]
        if others and "cost" in self._spec:
            self._say(("spec", "cost"), f"no such price here: {', '.join(sorted(set(others)))}")

    def _defaults(self) -> None:
        parameters: list[dict[str, object]] = []
        for key in DEFAULTS:
            text = _default(self._one.params.get(key))
            if text is None:
                continue
            if key.startswith("max_") and re.fullmatch("[1-9][0-9]{0,8}", text) is None:
                self._say(("spec",), f"litellm_params.{key}: no whole number above 0")
                continue
            parameters.append({"name": key, "default": text})
        taken = {one["name"] for one in parameters}
        for key in texts(self._one.params.get("additional_drop_params") or []):
            if re.fullmatch("[a-z][a-z0-9_]{0,63}", key) and key not in (*taken, *_KEPT):
                parameters.append({"name": key, "remove": True})
            else:
                self._say(("spec",), f"additional_drop_params: {key} cannot be removed")
        profile: dict[str, object] = {"parameters": parameters} if parameters else {}
        stops = [one for one in texts(self._one.params.get("stop") or []) if 0 < len(one) <= 64]
        if stops:
            profile["stop"] = stops[:4]
        if profile:
            self._spec["promptProfile"] = profile
        if stops:
            said = "litellm_params.stop: added to the caller's here, a default in LiteLLM"
            self._say(("spec", "promptProfile", "stop"), said)


_KEPT: Final = (
    "model", "messages", "prompt", "input", "stream", "tools", "functions", "stop", "thinking",
    "chat_template_kwargs", "enable_thinking",
)  # fmt: skip


def _default(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, int | float | str) else ""
    return text if 0 < len(text) <= 256 else None


def _per_million(value: object) -> str | None:
    """As a decimal text, exact to six places; None for none, and for what is no price."""
    found = number(value)
    if found is None:
        return None
    price = (Decimal(str(found)) * 1_000_000).quantize(Decimal("0.000001"))
    text = f"{price:f}".rstrip("0").rstrip(".")
    return text if price < 1_000_000_000 else None
