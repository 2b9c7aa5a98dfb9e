"""PURE: deployments of LiteLLM as ModelBackends, and their keys as Secrets without a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pointsman.api.names import ANNOTATION_ALLOWED_HOSTS, API_VERSION, LABEL_CREDENTIAL
from pointsman.cli.migration.defaults import defaults
from pointsman.cli.migration.known import (
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
from pointsman.cli.migration.rules import number
from pointsman.cli.migration.variables import NO_VARIABLE, in_variable, unread, variable
from pointsman.cli.migration.writing import Document

_NO_KEYS: Final = ("", "none", "null", "na", "n/a", "empty", "dummy", "fake", "fake-key", "no-key")
"""What is written where a server wants none; all else is taken for a key."""
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
        given = None if in_variable(one.info.get("id")) else one.info.get("id")
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
        made_of = _Backend(config, one, where, name)
        documents[one.index] = made_of.document(keys)
        notes += made_of.notes
    return Backends(documents, found, tuple(notes), keys)


def _place(one: Deployment, environment: Environment) -> Place:
    if in_variable(one.group):
        raise CannotPlace("its model_name is in a variable, which is not read: write it here")
    model = _known(one.model, "model", environment)
    base = one.params.get("api_base") or one.params.get("base_url") or ""
    named = one.params.get("custom_llm_provider") or ""
    if not isinstance(base, str) or not isinstance(named, str):
        raise CannotPlace("its api_base or custom_llm_provider is no text")
    provider = _known(named, "custom_llm_provider", environment)
    return place(model, provider, _known(base, "api_base", environment))


def _known(text: str, what: str, environment: Environment) -> str:
    """URLs and names may be variables; they are no secrets, so they are read."""
    if not in_variable(text):
        return text
    name = variable(text)
    found = environment.get(name) if name else None
    if not found:
        where = f"the variable {name}" if name else "a variable without a name"
        raise CannotPlace(f"its {what} is in {where}: import again with it set")
    return found


class _Backend:
    """One of them, in the making."""

    def __init__(self, config: Config, one: Deployment, where: Place, name: str) -> None:
        self._config = config
        self._one = one
        self._where = where
        self._name = name
        self.notes: list[Note] = []
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
        filled = defaults(self._one.params)
        if filled.profile:
            self._spec["promptProfile"] = filled.profile
        for path, message in filled.said:
            self._say(path, message)
        if self._one.info.get("blocked") is True:
            self._say(("spec",), "model_info.blocked: it is in no policy")
        for section, known, prefixes in (
            ("litellm_params", PARAMS, PARAM_PREFIXES), ("model_info", MODEL_INFO, INFO_PREFIXES)
        ):  # fmt: skip
            values = self._one.params if section == "litellm_params" else self._one.info
            for key, value in values.items():
                said = advice(known, prefixes, str(key))
                if said != "":
                    unknown = "unknown to pointsman import, left out"
                    self._say(("spec",), f"{section}.{key}: {said or unknown}")
                elif message := unread(key, value):
                    self._refuse(("spec",), f"{section}.{key}", message)
        return self._document

    def _say(self, path: tuple[str | int, ...], message: str) -> None:
        self._document.say(path, message)

    def _refuse(self, path: tuple[str | int, ...], key: str, message: str) -> None:
        """Said at its place, and counted."""
        self._say(path, f"{key}: {message}")
        self.notes.append(self._config.note(Kind.REFUSED, f"{self._one.path}.{key}", message))

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
        source, named = self._key()
        if source and where.url.startswith("https:"):
            name = keys.take(source, where.host, self._name, variable=named)
            external["credentialsSecretRef"] = {"name": name}
            if not named and in_variable(one.params.get("api_key")):
                self._refuse(("spec", "external"), "litellm_params.api_key", NO_VARIABLE)
        elif source:
            self._say(("spec", "external"), "litellm_params.api_key: plain http gets no key")

    def _key(self) -> tuple[str, bool]:
        """Where the key is: (a variable, True) or (a place in the config, False); "" for none."""
        given = self._one.params.get("api_key")
        if given is None:
            return self._where.key_variable, True
        text = str(given)
        if in_variable(text) and (name := variable(text)):
            return name, True
        if text.lower() in _NO_KEYS:
            return "", False
        return f"{self._one.path}.litellm_params.api_key", False

    def _window(self) -> None:
        given = self._one.either("max_input_tokens")
        said = number(given)
        if given is None or in_variable(given):
            if self._one.info.get("max_tokens") is not None:
                self._say(("spec",), "model_info.max_tokens: bounds the answer, not the window")
            return
        if said is None or not 256 <= said <= 100_000_000:
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
        given = self._one.params.get("max_parallel_requests")
        if given is None:
            given = self._config.router.get("default_max_parallel_requests")
        most = number(given)
        if most is not None and 1 <= most <= 1_000_000:
            self._spec["maxConcurrentRequests"] = int(most)
        elif given is not None and not in_variable(given):
            message = "max_parallel_requests: maxConcurrentRequests is 1 to 1000000"
            self._say(("spec",), message)
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
            wrong = [key for key in given if PRICES[key] not in found]
            if wrong:
                self._say(("spec", "cost"), f"no prices: {', '.join(sorted(wrong))}")
        elif given:
            self._say(("spec",), f"{', '.join(sorted(given))}: cost needs input and output prices")
        others = [
            k for k in (*self._one.params, *self._one.info) if is_price(k) and k not in PRICES
        ]
        if others and "cost" in self._spec:
            self._say(("spec", "cost"), f"no such price here: {', '.join(sorted(set(others)))}")


def _per_million(value: object) -> str | None:
    """As a decimal text, exact to six places; None for none, and for what is no price."""
    found = number(value)
    if found is None:
        return None
    price = (Decimal(str(found)) * 1_000_000).quantize(Decimal("0.000001"))
    text = f"{price:f}".rstrip("0").rstrip(".")
    return text if price < 1_000_000_000 else None
