"""What the API server says when it refuses: a Status, as operator and router both read it."""

import msgspec


class Details(msgspec.Struct):
    """The object that is meant; `kind` is its plural in lower case."""

    name: str = ""
    kind: str = ""


class Status(msgspec.Struct):
    """The default is what is read from anything else."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    details: Details | None = None

    def denies(self, plural: str, name: str) -> bool:
        """
        True if it says that this object does not exist.

        Any other 404 may come from whatever is before the API server, and says nothing of it.
        """
        named = self.details == Details(name, plural)
        return named and (self.kind, self.reason) == ("Status", "NotFound")
