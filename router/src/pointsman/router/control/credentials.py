"""Which API keys the table in force may use: pure judgment over Secrets that were read.

Guarantees that a key is handed out only if its Secret is labeled and allows the host of every URL
that uses it. Refuses empty keys and those that could not stand in a header. A missing key is a
problem of the policies that use it, said in their acks; no text, repr or error here holds a key.
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
    hosts: frozenset[str | None]
    """None stands for a URL whose host is not beyond doubt."""
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keys:
    """`found` maps (Secret, key) to the API key; `problems` maps policy to texts."""

    found: Mapping[tuple[str, str], bytes] = field(repr=False)
    problems: Mapping[str, tuple[str, ...]]


def uses(table: CompiledTable) -> tuple[Use, ...]:
    """Every credential that the table refers to, in a stable order."""
    hosts: dict[CredentialRef, set[str | None]] = {}
    policies: dict[CredentialRef, set[str]] = {}
    for policy in table.policies:
        for backend in policy.backends.values():
            address = backend.address
            if isinstance(address, ExternalAddress) and address.credential:
                hosts.setdefault(address.credential, set()).add(host_of(address.url))
                policies.setdefault(address.credential, set()).add(policy.name)
    return tuple(
        Use(ref, frozenset(hosts[ref]), frozenset(policies[ref]))
        for ref in sorted(hosts, key=lambda ref: (ref.name, ref.key))
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
    found: dict[tuple[str, str], bytes] = {}
    problems: dict[str, list[str]] = {}
    unread = unread or {}
    for use in wanted:
        name = use.ref.name
        if name not in secrets:
            texts = [f'Secret "{name}" could not be read: {unread.get(name, "not tried yet")}']
        else:
            facts = secrets[name]
            texts = _problems_of_secret(use, facts)
            if facts and not texts:
                found[(name, use.ref.key)] = facts.values[use.ref.key].strip()
        for policy in sorted(use.policies):
            problems.setdefault(policy, []).extend(texts)
    return Keys(found, {name: tuple(texts) for name, texts in problems.items() if texts})


def _problems_of_secret(use: Use, facts: SecretFacts | None) -> list[str]:
    name = f'Secret "{use.ref.name}"'
    if facts is None:
        return [f"{name} not found"]
    if not facts.labeled:
        return [f"{name} lacks the label {LABEL_CREDENTIAL}=true"]
    if None in use.hosts:
        return [f"{name} is used by a URL without a plain host"]
    hosts = sorted(host for host in use.hosts if host)
    refused = [host for host in hosts if not covers(facts.allowed_hosts, host)]
    if refused:
        return [f"{name} does not allow host {host}" for host in refused]
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
