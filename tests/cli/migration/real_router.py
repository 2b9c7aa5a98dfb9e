"""What LiteLLM's own Router decides: run by a Python that has litellm, questions on stdin as JSON.

For each question: how often each deployment is chosen first, and who is tried in which order when
everybody fails (nobody listens at 127.0.0.1:9). Nothing is asked of the network.
"""

import asyncio
import collections
import json
import os
import random
import sys
import warnings

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
warnings.simplefilter("ignore")

import litellm  # type: ignore[import-not-found]  # noqa: E402
from litellm import Router  # noqa: E402
from litellm.integrations.custom_logger import (  # type: ignore[import-not-found]  # noqa: E402
    CustomLogger,
)

DRAWS = 400


class Tries(CustomLogger):  # type: ignore[misc]
    """Remembers whom a call was sent to."""

    def __init__(self) -> None:
        super().__init__()
        self.models: list[str] = []

    async def async_pre_call_deployment_hook(
        self,
        kwargs: dict[str, object],
        call_type: object,  # noqa: ARG002 - LiteLLM's signature
    ) -> dict[str, object]:
        """One more."""
        self.models.append(str(kwargs["model"]))
        return kwargs


async def answer(question: dict[str, object], tries: Tries) -> dict[str, object]:
    """Of one question."""
    settings = dict(question["router_settings"])  # type: ignore[call-overload]
    settings |= {"num_retries": 0, "disable_cooldowns": True}
    router = Router(model_list=question["model_list"], **settings)
    tags = question["tags"]
    extra = {"metadata": {"tags": tags}} if tags else {}
    messages = [{"role": "user", "content": "hello"}]
    first: collections.Counter[str] = collections.Counter()
    try:
        for _ in range(DRAWS):
            chosen = await router.async_get_available_deployment(
                model=question["model"], request_kwargs=dict(extra), messages=messages
            )
            first[chosen["model_info"]["id"]] += 1
    except Exception:  # noqa: BLE001 - nobody: what it raises differs by why
        first.clear()
    tries.models.clear()
    try:  # noqa: SIM105 - the names of a call that was not answered are what is asked for
        await router.acompletion(model=question["model"], messages=messages, **extra)
    except Exception:  # noqa: BLE001 - it has to fail
        pass
    return {"first": first, "tried": tries.models[:]}


async def main() -> None:
    """All questions."""
    random.seed(7)
    tries = Tries()
    litellm.callbacks = [tries]
    found = [await answer(question, tries) for question in json.load(sys.stdin)]
    print("ANSWERS " + json.dumps(found))


asyncio.run(main())
