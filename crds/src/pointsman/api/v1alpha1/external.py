"""`spec.external` of a ModelBackend: a model elsewhere, behind verified TLS, and its key."""

import re
from typing import ClassVar

from pydantic import Field

from pointsman.api.validation import ApiModel, Rule

LOOPBACK_URL = r"^http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/.*)?$"
HTTPS_URL = r"^https://[A-Za-z0-9.\[\]:-]+(/.*)?$"
OVER_TLS = Rule(
    rf"self.url.matches(r'{HTTPS_URL}') || self.url.matches(r'{LOOPBACK_URL}')",
    "url must begin with https:// (http:// only for loopback)",
    lambda item: (
        re.fullmatch(HTTPS_URL, item.url) is not None
        or re.fullmatch(LOOPBACK_URL, item.url) is not None
    ),
    field=".url",
)
"""Of an object with a field `url`."""


class CredentialsSecretRef(ApiModel):
    """Where a provider's API key is."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
        description="Name of a Secret in the same namespace. It must be labeled "
        "pointsman.dev/credential=true and its annotation pointsman.dev/allowed-hosts must cover "
        "the URL's host.",
    )
    key: str = Field(
        default="api-key",
        pattern=r"^[-._a-zA-Z0-9]+$",
        max_length=253,
        description="Key inside the Secret.",
    )

    stored_defaults: ClassVar[frozenset[str]] = frozenset({"key"})


class External(ApiModel):
    """A model behind an OpenAI-compatible API elsewhere."""

    url: str = Field(
        max_length=2048,
        description="Base URL up to and including the version, such as https://host/v1. Plain "
        "http is allowed for loopback only, and loopback only in local mode.",
    )
    credentials_secret_ref: CredentialsSecretRef | None = Field(
        default=None, description="The API key, sent as a bearer token by the router alone."
    )
    ca_bundle: str | None = Field(
        default=None,
        min_length=1,
        max_length=65536,
        description="PEM certificates that vouch for the server. Default: the system's.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        OVER_TLS,
        Rule(
            "!self.url.contains('@') && !self.url.contains('?') && !self.url.contains('#')",
            "url must not hold a user, a query or a fragment",
            lambda e: not set("@?#") & set(e.url),
            field=".url",
        ),
    )
