"""Which backends refer to which Services."""

from collections import defaultdict


class Services:
    """Service name -> backends that refer to it, replaced whole: kopf's thread reads it."""

    def __init__(self) -> None:
        self.by_service: dict[str, frozenset[str]] = {}
        self._by_backend: dict[str, str] = {}

    def note(self, backend: str, service: str | None) -> None:
        """A backend refers to this Service now, or to none."""
        if self._by_backend.get(backend) == service:
            return
        if service is None:
            self._by_backend.pop(backend, None)
        else:
            self._by_backend[backend] = service
        found: dict[str, set[str]] = defaultdict(set)
        for one, name in self._by_backend.items():
            found[name].add(one)
        for name in self.by_service.keys() - found.keys():
            del self.by_service[name]
        self.by_service.update({name: frozenset(backends) for name, backends in found.items()})
