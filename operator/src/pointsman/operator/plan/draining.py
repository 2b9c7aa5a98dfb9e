"""How a model server ends without cutting answers: its preStop hook, and how long that may take.

Whatever the engine says is running or waiting, the hook waits for, after a pause in which routers
learn that the endpoint is going. An engine that says nothing gets a fixed time.
"""

from typing import Any, Final

from pointsman.api.v1alpha1 import Engine
from pointsman.operator.plan.gauges import GAUGES

NOTICE_S: Final = 3
"""Routers drop an endpoint within a fraction of a second; this bears a slow watch."""
DRAIN_S: Final = 300
"""Long answers of large models take minutes; more would hold up a rollout of a hanging server."""
BLIND_S: Final = 30
"""For engines that do not tell what they are doing."""
END_S: Final = 30
"""From SIGTERM to the end of the process: Kubernetes' own default."""

_PYTHON: Final = """\
import time, urllib.request
time.sleep({notice})
end = time.monotonic() + {drain}
while time.monotonic() < end:
    try:
        text = urllib.request.urlopen("http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except OSError:
        break
    lines = [line for line in text.splitlines() if line.startswith({names})]
    if not sum(float(line.rsplit(" ", 1)[1]) for line in lines):
        break
    time.sleep(0.5)
"""
_SHELL: Final = """\
sleep {notice}
end=$(($(date +%s) + {drain}))
while [ "$(date +%s)" -lt $end ]; do
  curl -sf -m 5 http://127.0.0.1:{port}/metrics |
    grep -E '^({names})[ {{]' | grep -qv ' 0$' || break
  sleep 1
done
"""
"""llama.cpp's server image has curl (its own health check uses it) and no Python."""


def before_stop(engine: Engine, port: int) -> dict[str, Any]:
    """The preStop hook of the model server's container."""
    names = GAUGES.get(engine)
    if names is None:
        return {"sleep": {"seconds": BLIND_S}}
    words = {"notice": NOTICE_S, "drain": DRAIN_S, "port": port}
    if engine == Engine.LLAMA_CPP:
        script = _SHELL.format(names="|".join(names), **words)
        return {"exec": {"command": ["sh", "-c", script]}}
    script = _PYTHON.format(names=repr(names), **words)
    return {"exec": {"command": ["python3", "-c", script]}}


def grace_s(engine: Engine) -> int:
    """terminationGracePeriodSeconds: the hook at its longest, and the process's end."""
    return (NOTICE_S + DRAIN_S if engine in GAUGES else BLIND_S) + END_S
