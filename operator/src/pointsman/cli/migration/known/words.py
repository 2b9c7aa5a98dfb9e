"""What to do instead, where several keys have the same answer."""

from typing import Final

HERE: Final = ""
ANOTHER_STATE: Final = "not needed: routers share nothing, and what is counted is in the ledger"
LOGS: Final = (
    "no callbacks: use the router's metrics, OTLP traces (docs/tracing.md) and the ledger "
    "(docs/ledger.md)"
)
NO_CACHE: Final = "no cache of answers: each request is answered by a model"
KEYS: Final = "callers are entries of a Secret: make one with `pointsman key create`"
DATABASE: Final = "not needed: the ledger keeps what happened (SQLite, or its own PostgreSQL)"
DEBUG: Final = "not needed: the router's log is JSON lines"
HEALTH: Final = "not needed: endpoints are judged by the traffic itself (docs/balancing.md)"
ALERTS: Final = "use the chart's alerts (charts/pointsman/files/alerts.yaml, docs/runbooks.md)"
LEARNED: Final = "no counterpart; spec.predictor of the policy learns who answers best"
GUARD: Final = "no guardrails here; spec.governance keeps data classes from models"
EJECT: Final = (
    "fixed here: an endpoint of a Service with 5 failures in a row, or with half of its last 20, "
    "gets nothing for 10 s and longer (docs/balancing.md); an external API that fails is left "
    "by the chain"
)
RETRIES: Final = (
    "fixed here: up to 2 retries, 0.5 to 5 s apart, Retry-After obeyed, at most a fifth of all "
    "requests; then the chain"
)
EMBED: Final = "not needed: bodies are passed on as they come"
