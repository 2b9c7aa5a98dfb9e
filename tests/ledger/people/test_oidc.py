"""Signing in at a real OpenID provider: authorization code with PKCE."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from pointsman.cli.auditlog import commands as audit_log
from pointsman.ledger.settings import parse
from pointsman.local.processes import free_port
from tests.ledger.console.world import Absent, Answer, Visitor, console
from tests.ledger.people.provider import CLIENT, SECRET, Provider, made_key


class There:
    """A provider, a ledger, and somebody's browser."""

    def __init__(self, provider: Provider, visitor: Visitor, store: Absent) -> None:
        self.provider = provider
        self.visitor = visitor
        self.store = store

    async def to_provider(self, to: str = "/console/reviews") -> str:
        """Where the console sends the browser."""
        page = await self.visitor.post("/console/sign-in", {"to": to})
        assert page.status == 200
        found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.text)
        assert found, page.text
        return unescape(found[1])

    async def back(self, address: str) -> str:
        """Where the provider sends it, as a path of ours."""
        async with (
            aiohttp.ClientSession() as other,
            other.get(address, allow_redirects=False) as answer,
        ):
            assert answer.status == 302, await answer.text()
            parts = urlsplit(answer.headers["Location"])
            return f"{parts.path}?{parts.query}"

    async def trail(self) -> list[tuple[str, ...]]:
        """(actor, role, action, subject) as `pointsman audit log` lists them, the oldest first."""
        told = await self.visitor.get("/v1/people/audit")
        rows = audit_log.page(json.loads(told.text)["entries"]).tables[0].rows
        return [row[2:6] for row in rows[::-1]]

    async def sign_in(self) -> Answer:
        """All of it."""
        return await self.visitor.get(await self.back(await self.to_provider()))


@asynccontextmanager
async def signing_in(
    folder: Path,
    slash: str = "",
    configured: str = "",
    client_id: str = CLIENT,
    secret: str = SECRET,
) -> AsyncIterator[There]:
    """
    Behind something whose address the console knows; the visitor comes straight.

    `slash` is what the provider's issuer ends with, `configured` what the flag's does.
    """
    (folder / "secret").write_text(secret + "\n")
    origin = f"http://127.0.0.1:{free_port()}"
    async with Provider(f"{origin}/console/callback", slash, client_id, secret) as provider:
        flags = [
            f"--db={folder / 'ledger.db'}",
            f"--oidc-issuer={provider.url}{configured}",
            f"--oidc-client-id={client_id}",
            f"--oidc-client-secret-file={folder / 'secret'}",
            f"--console-url={origin}",
            "--role=reviewer=reviewers",
        ]
        async with console(folder, parse(flags, {}).people) as found:
            visitor = found.visitor()
            ask = visitor.post

            async def post(path: str, form: dict[str, str], **headers: str) -> Answer:
                return await ask(path, form, **({"Origin": origin} | headers))

            visitor.post = post  # type: ignore[method-assign]
            yield There(provider, visitor, found.store)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    """By the usual one."""
    async with signing_in(tmp_path) as found:
        yield found


async def test_a_person_signs_in_and_out(there: There) -> None:
    """By the code, with the role of the groups in the token; then nobody is there again."""
    assert (await there.visitor.get("/console/reviews")).status == 401
    done = await there.sign_in()
    assert done.status == 200
    assert 'content="0;url=/console/reviews"' in done.text

    page = await there.visitor.get("/console/reviews")
    assert page.status == 200
    assert "rae@example.com" in page.text
    assert ">reviewer<" in page.text

    out = await there.visitor.post("/console/sign-out", {"form_token": page.form_token})
    assert out.status == 303
    assert (await there.visitor.get("/console/reviews")).status == 401


async def test_sign_ins_and_outs_are_in_the_audit_log(there: There) -> None:
    """Under the person's name and role; a session's end once, whatever its cookie sends again."""
    signed = await there.sign_in()
    kept = signed.headers["Set-Cookie"].partition(";")[0]
    form = {"form_token": (await there.visitor.get("/console/reviews")).form_token}
    for _ in range(3):
        assert (await there.visitor.post("/console/sign-out", form, Cookie=kept)).status == 303
    assert (await there.sign_in()).status == 200

    rae = ("rae@example.com", "reviewer")
    about = "person/rae@example.com"
    assert await there.trail() == [
        (*rae, "session.begin", about), (*rae, "session.end", about), (*rae, "session.begin", about)
    ]  # fmt: skip
    assert there.provider.url in (await there.visitor.get("/console/audit")).text


async def test_who_is_not_let_in_leaves_no_row(there: There) -> None:
    """Or strangers would fill the log."""
    person, there.provider.person = there.provider.person, {"email": "una@example.com"}
    assert (await there.sign_in()).status == 403
    there.provider.person, there.provider.wrong = person, "nonce"
    assert (await there.sign_in()).status == 403
    assert (await there.visitor.get("/console/callback?state=x&code=y")).status == 403
    there.provider.wrong = ""
    assert (await there.sign_in()).status == 200

    assert [row[2] for row in await there.trail()] == ["session.begin"]


async def test_who_cannot_be_noted_is_not_signed_in(there: There) -> None:
    """But signed out."""
    back = await there.back(await there.to_provider())
    there.store.away = "the disk is full"
    assert (await there.visitor.get(back)).status == 503
    there.store.away = ""
    assert (await there.visitor.get("/console/reviews")).status == 401

    assert (await there.sign_in()).status == 200
    inbox = await there.visitor.get("/console/reviews")
    there.store.away = "the disk is full"
    form = {"form_token": inbox.form_token}
    assert (await there.visitor.post("/console/sign-out", form)).status == 303
    there.store.away = ""
    assert (await there.visitor.get("/console/reviews")).status == 401


async def test_what_is_asked_of_the_provider_is_bound_to_this_browser(there: There) -> None:
    """State, nonce and a challenge by SHA-256, each new."""
    first, second = [parse_qs(urlsplit(await there.to_provider()).query) for _ in range(2)]
    assert first["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    ["audience", "nonce", "expired", "from", "slash", "key", "shared", "unsigned", "header"],
)
async def test_a_token_that_is_not_for_us_signs_nobody_in(there: There, wrong: str) -> None:
    """Another's, an old one, one by another key, by the public key as a secret, or by none."""
    there.provider.wrong = wrong

    assert (await there.sign_in()).status == 403
    assert (await there.visitor.get("/console/reviews")).status == 401


async def test_a_code_of_somebody_elses_login_is_refused(there: There) -> None:
    """Whoever lures a browser to the callback with their own code gets it nothing."""
    mine = await there.back(await there.to_provider())
    await there.to_provider()  # which this browser is at now

    assert (await there.visitor.get(mine)).status == 403


async def test_a_code_counts_once(there: There) -> None:
    """The browser forgets its login with the first."""
    back = await there.back(await there.to_provider())
    assert (await there.visitor.get(back)).status == 200
    assert (await there.visitor.get(back)).status == 403


async def test_a_provider_that_refuses_is_told(there: There) -> None:
    """With its word, as text."""
    state = parse_qs(urlsplit(await there.to_provider()).query)["state"][0]
    page = await there.visitor.get(f"/console/callback?state={state}&error=%3Cb%3Eaccess_denied")

    assert page.status == 403
    assert "&lt;b&gt;access_denied" in page.text


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("configured", ["", "/"])
async def test_an_issuer_may_end_with_a_slash(tmp_path: Path, slash: str, configured: str) -> None:
    """Its tokens say it as the provider does, whichever way the flag is written."""
    async with signing_in(tmp_path, slash, configured) as there:
        assert (await there.sign_in()).status == 200


async def test_an_issuer_that_differs_by_more_is_another(tmp_path: Path) -> None:
    """One slash is forgiven, not two."""
    async with signing_in(tmp_path, "//") as there:
        assert (await there.visitor.post("/console/sign-in", {"to": "/"})).status == 503


@pytest.mark.parametrize(
    ("client_id", "secret"), [("https://pointsman.example.com/", "clé"), ("né w", "100%25:+ /=&?")]
)
async def test_credentials_may_hold_any_character(
    tmp_path: Path, client_id: str, secret: str
) -> None:
    """The provider reads what was registered, colons, percents and spaces too."""
    async with signing_in(tmp_path, client_id=client_id, secret=secret) as there:
        assert (await there.sign_in()).status == 200


async def test_new_keys_of_the_provider_are_found(there: There) -> None:
    """Without a restart."""
    assert (await there.sign_in()).status == 200
    there.provider.key = there.provider.published = made_key("2")

    assert (await there.sign_in()).status == 200


async def test_a_person_without_a_group_or_a_verified_address_is_refused(there: There) -> None:
    """Known to the provider is not enough."""
    there.provider.person = {"email": "una@example.com"}
    assert (await there.sign_in()).status == 403
    for verified in (False, "false"):  # some providers write it as a text
        there.provider.person = {
            "email": "rae@example.com", "email_verified": verified, "groups": ["reviewers"],
        }  # fmt: skip
        assert (await there.sign_in()).status == 403


async def test_a_provider_that_is_another_or_away_is_said(there: There) -> None:
    """503, and the page says so."""
    there.provider.wrong = "issuer"
    page = await there.visitor.post("/console/sign-in", {"to": "/console/"})

    assert page.status == 503
    assert "Sign-in does not work now" in page.text


async def test_a_long_way_back_is_no_reason_to_stay_out(there: There) -> None:
    """A search that no cookie holds is left; one of any letters that it holds is kept."""
    for to, back in (
        (f"/console/decisions?policy={'x' * 2_000}", "/console/"),
        (f"/console/decisions?policy={'é' * 900}", "/console/"),
        ("/console/decisions?policy=caf\u00e9", "/console/decisions?policy=caf\u00e9"),
    ):
        done = await there.visitor.get(await there.back(await there.to_provider(to)))
        assert done.status == 200, to
        assert f'content="0;url={back}"' in done.text


@pytest.mark.parametrize(
    "told",
    [
        {"token_endpoint": "https://[::1"},
        {"jwks_uri": "http://127.0.0.1:99999/keys"},
        {"authorization_endpoint": 7},
        {"issuer": None},
    ],
)
async def test_a_provider_that_describes_itself_oddly_is_away(
    there: There, told: dict[str, object]
) -> None:
    """503, whatever it says."""
    there.provider.told = told
    assert (await there.visitor.post("/console/sign-in", {"to": "/console/"})).status == 503


async def test_keys_that_cannot_be_read_are_none(there: There) -> None:
    """However deep they are nested."""
    there.provider.wrong = "keys"
    assert (await there.visitor.post("/console/sign-in", {"to": "/console/"})).status == 503


async def test_another_sites_page_begins_no_login(there: There) -> None:
    """Nor leads anywhere but to our pages after it."""
    evil = {"Origin": "https://evil.example.com"}
    assert (await there.visitor.post("/console/sign-in", {"to": "/"}, **evil)).status == 403

    await there.visitor.get(await there.back(await there.to_provider("https://evil.example.com")))
    done = await there.sign_in()
    assert "evil" not in done.text
