"""What goes wrong between a request and a person, and at the start.

Unknown            the request claims to be somebody and does not prove it
├── Forbidden      403: a forged identity header, another site's form, nobody with a role
├── BadToken       401: a personal token that is not in the file
└── ProviderAway   503: the OpenID provider does not answer, or not as it should
BadPeople          a file that settings name cannot be used
"""


class Unknown(Exception):
    """The text may be shown to who asked; it holds no secret."""


class Forbidden(Unknown):
    """Asking again changes nothing."""


class BadToken(Unknown):
    """Another token may do."""


class ProviderAway(Unknown):
    """The same may work later."""


class BadPeople(ValueError):
    """The text names the flag, the file and the line."""
