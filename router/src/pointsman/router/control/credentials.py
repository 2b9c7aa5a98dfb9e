"""Which API keys the table in force may use: pure judgment over Secrets that were read.

Guarantees that a key is handed out for a URL only if its Secret is labeled and allows that URL's
host; what one backend may not do takes nothing from another. Refuses empty keys and those that
could not stand in a header. A missing key is a problem of the policies that use it, said in their
acks; no text, repr or error here holds a key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pointsman.api.hosts import covers, host_of, split_allowed
from pointsman.api.names import ANNOTATION_ALLOWED_HOSTS, LABEL_CREDENTIAL
from pointsman.api.table import CredentialRef, ExternalAddress
from pointsman.routing import CompiledTable

MAX_KEY_BYTES = 16 * 1024
"""Servers take heads of 8 to 64 KiB; a longer value is a certificate, not a key."""
_PRINTABLE = frozenset(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What matters of a Secret; `values` is never shown."""

    labeled: bool
    allowed_hosts: tuple[str, ...]
    values: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Use:
    """One reference as the table uses it."""

    ref: CredentialRef
    url: str
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keys:
    """`found` maps (Secret, key, URL) to the API key; `problems` maps policy to texts."""

    found: Mapping[tuple[str, str, str], bytes] = field(repr=False)
    problems: Mapping[str, tuple[str, ...]]


def uses(table: CompiledTable) -> tuple[Use, ...]:
    """Every credential that the table refers to, in a stable order."""
    policies: dict[tuple[CredentialRef, str], set[str]] = {}
    for policy in table.policies:
        for backend in policy.backends.values():
            address = backend.address
            if isinstance(address, ExternalAddress) and address.credential:
                use = address.credential, address.url
                policies.setdefault(use, set()).add(policy.name)
    return tuple(
        Use(ref, url, frozenset(policies[ref, url]))
        for ref, url in sorted(policies, key=lambda use: (use[0].name, use[0].key, use[1]))
    )


def facts_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], data: Mapping[str, bytes]
) -> SecretFacts:
    """From the Secret's metadata and decoded data."""
    return SecretFacts(
        labeled=labels.get(LABEL_CREDENTIAL) == "true",
        allowed_hosts=split_allowed(annotations.get(ANNOTATION_ALLOWED_HOSTS, "")),
        values=dict(data),
    )


def only_used(
    wanted: Iterable[Use], secrets: Mapping[str, SecretFacts | None]
) -> dict[str, SecretFacts]:
    """Labeled Secrets that the table uses, with no values but those: what may be stored."""
    keys: dict[str, set[str]] = {}
    for use in wanted:
        keys.setdefault(use.ref.name, set()).add(use.ref.key)
    return {
        name: SecretFacts(
            labeled=True,
            allowed_hosts=facts.allowed_hosts,
            values={key: value for key, value in facts.values.items() if key in keys[name]},
        )
        for name, facts in secrets.items()
        if facts is not None and facts.labeled and name in keys
    }


def judge(
    wanted: Iterable[Use],
    secrets: Mapping[str, SecretFacts | None],
    unread: Mapping[str, str] | None = None,
) -> Keys:
    """
    Keys that may be used, and what is wrong with the others.

    `secrets` maps name to facts, None where the Secret does not exist; one that was never read is
    absent. `unread` says why the latest reading failed; facts of an earlier one stay valid.
    """
    found: dict[tuple[str, str, str], bytes] = {}
    problems: dict[str, dict[str, None]] = {}
    unread = unread or {}
    for use in wanted:
        name = use.ref.name
        if name not in secrets:
            texts = [f'Secret "{name}" could not be read: {unread.get(name, "not tried yet")}']
        else:
            facts = secrets[name]
            texts = _problems_of_secret(use, facts)
            if facts and not texts:
                found[name, use.ref.key, use.url] = facts.values[use.ref.key].strip()
        for policy in sorted(use.policies):
            problems.setdefault(policy, {}).update(dict.fromkeys(texts))
    return Keys(found, {name: tuple(texts) for name, texts in problems.items() if texts})


def _problems_of_secret(use: Use, facts: SecretFacts | None) -> list[str]:
    name = f'Secret "{use.ref.name}"'
    if facts is None:
        return [f"{name} not found"]
    if not facts.labeled:
        return [f"{name} lacks the label {LABEL_CREDENTIAL}=true"]
    host = host_of(use.url)
    if host is None:
        return [f"{name} is used by a URL without a plain host"]
    if not covers(facts.allowed_hosts, host):
        return [f"{name} does not allow host {host}"]
    return _problems_of_value(name, use.ref.key, facts.values.get(use.ref.key))


def _problems_of_value(name: str, key: str, value: bytes | None) -> list[str]:
    if value is None:
        return [f'{name} has no key "{key}"']
    value = value.strip()
    if not value:
        return [f'{name} has nothing in key "{key}"']
    if len(value) > MAX_KEY_BYTES:
        return [f'{name} has more than {MAX_KEY_BYTES:,} bytes in key "{key}"']
    if not _PRINTABLE.issuperset(value):
        return [f'{name} has characters in key "{key}" that no header can carry']
    return []
