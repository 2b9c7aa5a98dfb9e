"""The RoutingTable: the only contract between operator and router.

A manifest names immutable blobs by SHA-256; a blob is one compiled policy with every backend it
may use. A router takes a policy when its blob is present, hash-checked and valid; one that is not
is refused alone. Encoded as JSON (msgspec), strict on decoding: unknown versions are refused.
"""

import gzip
import hashlib
import io
import zlib
from typing import Final, Literal

import msgspec

from pointsman.api.budgeted import MOST_BUDGETS as MOST_BUDGETS  # noqa: PLC0414 - also found here
from pointsman.api.budgeted import Budget as Budget  # noqa: PLC0414
from pointsman.api.budgeted import BudgetScope as BudgetScope  # noqa: PLC0414
from pointsman.api.budgeted import BudgetWindow as BudgetWindow  # noqa: PLC0414
from pointsman.api.counted import Arms
from pointsman.api.counted import BudgetUse as BudgetUse  # noqa: PLC0414 - also found here
from pointsman.api.counted import Served as Served  # noqa: PLC0414
from pointsman.api.governed import Approved, Governed
from pointsman.api.kept import Capture as Capture  # noqa: PLC0414 - part of the table
from pointsman.api.kept import Signals as Signals  # noqa: PLC0414
from pointsman.api.matches import HeaderMatch as HeaderMatch  # noqa: PLC0414 - part of the table
from pointsman.api.matches import Match as Match  # noqa: PLC0414
from pointsman.api.predicting import Chooser
from pointsman.api.profile import Profile
from pointsman.api.reviewing import HumanReview, Review
from pointsman.api.shadow import Shadow as Shadow  # noqa: PLC0414 - part of the table

TABLE_VERSION: Final = 1
PINS: Final = ""
"""What stands for a policy's name where a backend is asked for its own sake."""
MAX_BLOB_BYTES: Final = 900 * 1024
"""Compressed; a ConfigMap holds at most 1 MiB (etcd's request limit is 1.5 MB)."""
MAX_BLOB_DECODED_BYTES: Final = 16 * 1024 * 1024
AT_ONCE: Final = 8
"""Requests that a server gets at first where nothing says how many it takes."""
FallbackOn = Literal["Error", "Timeout", "ContextWindow", "Cold", "Saturated", "Unschedulable"]


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Frozen, compact on the wire."""


class Target(Struct, frozen=True):
    """A backend's name and its relative share."""

    backend: str
    weight: int = 1


class Fallback(Struct, frozen=True):
    """`on` says what makes a router try the next of the chain."""

    chain: tuple[str, ...]
    on: tuple[FallbackOn, ...] = ("Error", "Timeout", "ContextWindow")
    deadline_s: float = 60.0
    max_cost_nano: int = 0  # of all attempts, the target included; 0: no bound


class Route(Struct, frozen=True):
    """One rule, or the default when it has no match."""

    name: str
    targets: tuple[Target, ...]
    match: Match | None = None
    matches: tuple[Match, ...] = ()
    """Any of them is enough. What a router of 0.1 would not see all of is here, not in `match`, so
    that it refuses the policy instead of matching too much."""
    fallback: Fallback | None = None
    first_token_timeout_s: float = 30.0
    stream_idle_timeout_s: float = 60.0
    request_timeout_s: float = 600.0
    data_class: str = ""
    """Of its requests, at least; a value of DataClass."""
    left_out: dict[str, str] = {}
    """Its backends that the policy's requirements leave out, and the reason of each."""
    review: Review | None = None
    priority: int = 0
    """Of its requests where they wait for a server: the larger goes first."""

    @property
    def ways(self) -> tuple[Match, ...]:
        """All matches."""
        return (self.match, *self.matches) if self.match else self.matches


class ServiceAddress(Struct, frozen=True, tag="service", tag_field="type"):
    """Ready endpoints of this Service port; `key` in Endpoints."""

    namespace: str
    service: str
    port: int

    @property
    def key(self) -> str:
        """How endpoints of this address are filed: `namespace/service:port`."""
        return f"{self.namespace}/{self.service}:{self.port}"


class CredentialRef(Struct, frozen=True):
    """Key `key` of Secret `name` in the policy's namespace."""

    name: str
    key: str = "api-key"


class ExternalAddress(Struct, frozen=True, tag="external", tag_field="type"):
    """An OpenAI-compatible base URL; `ca_bundle` is PEM."""

    url: str
    credential: CredentialRef | None = None
    ca_bundle: str | None = None


class Activation(Struct, frozen=True):
    """What becomes of requests while no server is ready; `mode` is a value of ActivationMode."""

    mode: Literal["Hold", "Reject", "Fallback"]
    timeout_s: float
    max_held: int
    at_once: int = AT_ONCE
    """How many of those that waited a server gets at first; each that ends lets the next go."""


class Price(Struct, frozen=True):
    """Of a token, in 1e-12 of the backend's currency, from a moment on (Unix time in seconds)."""

    # Six decimals of a price per million tokens are whole numbers of it.

    from_s: float = 0.0
    input_pico: int = 0
    output_pico: int = 0
    cached_pico: int = 0
    reasoning_pico: int = 0


class Backend(Struct, frozen=True):
    """One backend as the router needs it."""

    name: str
    model: str
    address: ServiceAddress | ExternalAddress
    family: str = "Other"
    context_window: int | None = None
    capabilities: tuple[str, ...] = ()
    prices: tuple[Price, ...] = ()
    """Each is valid until the next one begins; none: it costs nothing."""
    currency: str = "USD"
    activation: Activation | None = None
    max_concurrent: int | None = None
    """Requests that one server works on at once, or an external API in all; None: not known."""
    queue: Activation | None = None
    """How requests wait while all servers have max_concurrent each; None: they are sent."""
    profile: Profile | None = None
    """What its requests are changed by; None: they are sent as they came, but for the model."""
    max_data_class: str = ""
    """The strictest class of data that it may be sent; empty is Public."""
    approval: Approved | None = None
    """When it may be used, where the policy requires approval; None: at any time."""


class PolicyBlob(Struct, frozen=True, omit_defaults=False):
    """One compiled policy; the last route has no match and answers the rest."""

    namespace: str
    name: str
    revision: str
    model_names: tuple[str, ...]
    routes: tuple[Route, ...]
    backends: dict[str, Backend]
    baseline: str = ""
    """Of `backends`: what savings are told against."""
    budgets: tuple[Budget, ...] = ()
    capture: Capture | None = None
    """None: no text is kept."""
    signals: Signals | None = None
    predictor: Chooser | None = None
    governance: Governed | None = None
    review: HumanReview | None = None
    version: int = TABLE_VERSION


class Candidate(Struct, frozen=True):
    """A revision that a part of the conversations goes to, and a part of the others unseen."""

    revision: str
    blob: str
    weight_percent: int
    shadow: Shadow | None = None


class PolicyEntry(Struct, frozen=True):
    """Which blob is wanted for a policy; `blob` is the SHA-256 of its JSON, in hex."""

    name: str
    revision: str
    blob: str
    model_names: tuple[str, ...] = ()
    candidate: Candidate | None = None


class Manifest(Struct, frozen=True, omit_defaults=False):
    """
    The wanted state of all policies of one release.

    `epoch` is the leader's number of takeovers, `serial` grows with every manifest of an epoch:
    a router refuses what is older than what it has.
    """

    namespace: str
    epoch: int
    serial: int
    policies: tuple[PolicyEntry, ...]
    version: int = TABLE_VERSION
    pins: str = ""
    """The blob, named PINS, of backends that the operator asks itself; empty: it asks none."""


class Endpoint(Struct, frozen=True):
    """Where one model server listens."""

    host: str
    port: int


class Ack(Struct, frozen=True):
    """
    What a router did with one policy: runs `blob`, or refused `refused_blob` with `error`.

    `candidate` is the blob that gets both percents; if none does, `candidate_error` may say why.
    """

    policy: str
    revision: str
    blob: str
    error: str = ""
    refused_blob: str = ""
    candidate: str = ""
    weight_percent: int = 0
    shadow_percent: int = 0
    candidate_error: str = ""


class AdminEvent(Struct, frozen=True):
    """
    One line of a router's admin stream (`GET /admin/stream`, NDJSON).

    `Hello` opens it, `Ack` follows every switch and every change of `unreachable`, `Load` every
    change of load (at most one in 100 ms), `Heartbeat` silence of 5 s.
    """

    type: Literal["Hello", "Ack", "Load", "Heartbeat"]
    router: str = ""
    epoch: int = 0
    serial: int = 0
    acks: tuple[Ack, ...] = ()
    in_flight: dict[str, int] = {}
    """Not in Ack. Backend name -> requests sent and not finished."""
    finished: dict[str, int] | None = None
    """Not in Ack. Backend name -> requests that ended since the router began; a backend that is not
    named had none. None: an older router, which does not count them."""
    held: dict[str, int] = {}
    """Not in Ack. Backend name -> requests that wait for a server of it."""
    missed: dict[str, int] = {}
    """Not in Ack. Backend name -> requests that met no server of it since the router began,
    whatever became of them: one more is a reason to start one."""
    served: Served | None = None
    """In Hello, Heartbeat, and a Load if the last time was 5 s ago. None also: an older router."""
    budgets: dict[str, tuple[BudgetUse, ...]] | None = None
    """With `served`. Policy -> the fullest of its budgets. None also: an older router."""
    failing: dict[str, str] | None = None
    """With `served`. Backend -> how its attempts end, if none is answered. None also: an older
    router."""
    arms: dict[str, Arms] | None = None
    """In Hello, Heartbeat, and a Load if the last time was 2 s ago: policies with a candidate."""
    holding: tuple[str, ...] = ()
    """Not in Ack. Backends whose requests wait because an Order says so, by name."""
    unreachable: tuple[str, ...] = ()
    """In Hello and Ack: backends of the table in force without a ready endpoint, by name."""


ORDER_S: Final = 15.0


class Order(Struct, frozen=True):
    """
    What the leader asks of a router about one backend (`PUT /admin/backends/NAME`).

    In force for ORDER_S, so that a leader that is gone holds up nobody; the next one replaces it.
    """

    hold: bool = False
    """Its servers are about to go: requests for it wait, as if there were none."""
    failure: str = ""
    """Why no server of it can start: requests that wait end with this, or go on where their route
    says so, and no others begin to."""


class TableError(ValueError):
    """A manifest or a blob cannot be used; the text says why."""


_encoder = msgspec.json.Encoder(order="deterministic")
_manifest_decoder = msgspec.json.Decoder(Manifest)
_blob_decoder = msgspec.json.Decoder(PolicyBlob)
_event_decoder = msgspec.json.Decoder(AdminEvent)
_order_decoder = msgspec.json.Decoder(Order)


def encode(value: Struct) -> bytes:
    """Deterministic JSON: equal values have equal bytes, and so equal hashes."""
    return _encoder.encode(value)


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def pack(data: bytes) -> bytes:
    """Gzip without a timestamp; raises TableError over MAX_BLOB_BYTES."""
    packed = gzip.compress(data, mtime=0)
    if len(packed) > MAX_BLOB_BYTES:
        raise TableError(f"compiled policy has {len(packed):,} bytes, {MAX_BLOB_BYTES:,} allowed")
    return packed


def unpack(packed: bytes, expected: str) -> bytes:
    """Undo `pack`; raises TableError if it is damaged, too large, or hashes to something else."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            data = stream.read(MAX_BLOB_DECODED_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise TableError(f"blob {expected[:12]} is damaged: {error}") from error
    if len(data) > MAX_BLOB_DECODED_BYTES:
        raise TableError(f"blob {expected[:12]} unpacks to more than {MAX_BLOB_DECODED_BYTES:,}")
    if digest(data) != expected:
        raise TableError(f"blob {expected[:12]} hashes to {digest(data)[:12]}")
    return data


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""msgspec lets the last two through: bytes that are not UTF-8, and deep nesting."""


def decode_manifest(data: bytes) -> Manifest:
    """Raises TableError on anything that is not a manifest of this version."""
    try:
        manifest = _manifest_decoder.decode(data)
    except _UNREADABLE as error:
        raise TableError(f"manifest: {error}") from error
    if manifest.version != TABLE_VERSION:
        raise TableError(f"manifest has version {manifest.version}, known is {TABLE_VERSION}")
    return manifest


def decode_blob(data: bytes) -> PolicyBlob:
    """Raises TableError on anything that is not a compiled policy of this version."""
    try:
        blob = _blob_decoder.decode(data)
    except _UNREADABLE as error:
        raise TableError(f"policy: {error}") from error
    if blob.version != TABLE_VERSION:
        raise TableError(f"policy has version {blob.version}, known is {TABLE_VERSION}")
    return blob


def decode_event(data: bytes) -> AdminEvent:
    """Raises TableError on anything that is not one line of an admin stream."""
    try:
        return _event_decoder.decode(data)
    except _UNREADABLE as error:
        raise TableError(f"admin event: {error}") from error


def decode_order(data: bytes) -> Order:
    """Raises TableError."""
    try:
        return _order_decoder.decode(data)
    except _UNREADABLE as error:
        raise TableError(f"not an order: {error}") from error
