"""What local mode says of an address that it cannot have, and of a backend's model servers."""

import errno
import os
import socket
from collections.abc import Mapping, Sequence

from pointsman.api.conditions import Reason
from pointsman.api.names import ANNOTATION_LOCAL_ADDRESS
from pointsman.local.desired import NAMESPACE, Desired
from pointsman.local.processes import Running


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Why, and what to do about it."""
    known = error.errno and not isinstance(error, socket.gaierror)
    reason = os.strerror(error.errno or 0) if known else error.strerror or str(error)
    next_step = {
        errno.EADDRINUSE: "; --port takes another one, --port 0 a free one",
        errno.EADDRNOTAVAIL: "; this machine has no such address",
        errno.EACCES: "; ports below 1024 are the system's",
    }.get(error.errno or 0, "")
    return f"cannot listen on {host}:{port}: {reason}{next_step}"


def state_of(desired: Desired, name: str, running: Mapping[str, Running]) -> str:
    """Of a backend: the reason of its condition, and what it takes to make it ready."""
    spec = desired.backends[name].spec
    if spec.external:
        ref = spec.external.credentials_secret_ref
        if ref and ref.name not in desired.secrets:
            return f"{Reason.SECRET_NOT_FOUND}: no Secret {ref.name} among these files"
        return f"{Reason.EXTERNAL} {spec.external.url}"
    if spec.service:
        key = f"{NAMESPACE}/{spec.service.name}:{spec.service.port}"
        known = desired.fixed_endpoints.get(key)
        missing = (
            f"{Reason.SERVICE_NOT_FOUND}: local mode has no Services; the annotation "
            f"{ANNOTATION_LOCAL_ADDRESS}: HOST:PORT says where it is"
        )
        return f"{Reason.READY} at {known[0].host}:{known[0].port}" if known else missing
    return state_of_processes([one for key, one in running.items() if key.startswith(f"{name}/")])


def ready_line(desired: Desired) -> str:
    """What is said once all that runs here answers: who can be asked by nobody is named."""
    lacking = (Reason.SERVICE_NOT_FOUND, Reason.SECRET_NOT_FOUND)
    found = [name for name in desired.backends if state_of(desired, name, {}).startswith(lacking)]
    return f"ready, but for {', '.join(sorted(found))}" if found else "ready"


def state_of_processes(runs: Sequence[Running]) -> str:
    """Of one backend: the reason of its condition, and what its servers said."""
    failing = sorted({run.failure for run in runs if run.failure})
    if failing:
        log = _log_of(next(run for run in runs if run.failure))
        before = "; what ran before the edit answers on" if all(r.serving for r in runs) else ""
        why = "; ".join(failing)
        return f"{Reason.POD_FAILING}: {why}{before}; it is tried again and again{log}"
    if not runs:
        return str(Reason.SCALED_TO_ZERO)
    if slow := next((run for run in runs if run.slow), None):
        said = slow.output.last_words() or "nothing"
        where = f"no answer on port {slow.port} yet; said: {said}"
        return f"{Reason.PROGRESSING}: {where}{_log_of(slow)}"
    return str(Reason.READY if all(run.state == "Ready" for run in runs) else Reason.PROGRESSING)


def _log_of(run: Running) -> str:
    return f", log {run.output.path}" if run.output.path.exists() else ""
