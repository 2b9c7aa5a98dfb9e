"""The exchange of a request that a person has approved: decided anew, but for its rule."""

from pointsman.router.errors import Problem, Suspended
from pointsman.router.serve import arrival
from pointsman.router.serve.exchange import Exchange
from pointsman.routing.review import taking


class ApprovedExchange(Exchange):
    """Its layers are those of stack.py, but for the rule, which was told before."""

    __slots__ = ()

    def run(self) -> None:
        """Up to the first attempt."""
        try:
            for layer in self.plane.arrival:
                layer(self)
                if layer is arrival.resolve and self.review is not None:
                    self.policy = taking(self.policy, self.review.rule) or self.policy
        except Suspended:
            pass
        except Problem as problem:
            self.refuse(problem)
        except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
            self.bug(error)
