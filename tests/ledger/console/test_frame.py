"""The frame of the console: who is let in, what each answer carries, which forms are obeyed."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.ledger.console.guarding import MAX_FORM_BYTES
from pointsman.ledger.people.settings import PeopleSettings
from tests.ledger.console.world import STRANGER, Console, console

FORM = {"theme": "dark", "to": "/console/reviews"}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Console]:
    """People come through a proxy."""
    async with console(tmp_path) as found:
        yield found


async def test_there_is_no_console_without_an_identity_source(tmp_path: Path) -> None:
    """Off by default: not even a page to sign in."""
    async with console(tmp_path, PeopleSettings()) as there:
        assert (await there.visitor().get("/console/reviews")).status == 404


async def test_who_the_proxy_names_is_let_in(there: Console) -> None:
    """With the role that a group gives."""
    page = await there.visitor("rae", "others, reviewers").get("/console/reviews")

    assert page.status == 200
    assert ">rae<" in page.text
    assert ">reviewer<" in page.text


async def test_nobody_is_asked_to_sign_in(there: Console) -> None:
    """401, and no page's content."""
    page = await there.visitor().get("/console/reviews")

    assert page.status == 401
    assert "Sign in" in page.text


async def test_an_identity_header_from_elsewhere_is_refused_and_counted(there: Console) -> None:
    """Whoever reaches the port cannot say who they are."""
    page = await there.visitor("rae", "platform", at=STRANGER).get("/console/reviews")

    assert page.status == 403
    assert there.turned("ForgedHeader") == 1


async def test_a_proxy_that_knows_nobody_signs_nobody_in(there: Console) -> None:
    """Some send the header empty."""
    page = await there.visitor().get("/console/reviews", x_forwarded_user=" ")

    assert page.status == 401


@pytest.mark.parametrize(
    "added",
    [
        ("X-Forwarded-User: eve", "X-Forwarded-User: rae", "X-Forwarded-Groups: platform"),
        ("X-Forwarded-User: rae", "X-Forwarded-Groups: platform", "X-Forwarded-Groups: readers"),
    ],
)
async def test_two_identity_headers_are_refused(there: Console, added: tuple[str, ...]) -> None:
    """A proxy that adds its own beside the visitor's must not let those win, or count as well."""
    port = int(there.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (
        "GET /console/reviews HTTP/1.1", "Host: localhost", *added, "Connection: close", "", "",
    )  # fmt: skip
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_a_person_without_a_role_is_refused(there: Console) -> None:
    """Known, and allowed nothing."""
    page = await there.visitor("una", "others").get("/console/reviews")

    assert page.status == 403
    assert there.turned("NoRole") == 1


async def test_each_answer_is_strict(there: Console) -> None:
    """Pages, errors and files alike."""
    visitor = there.visitor("rae", "reviewers")
    for path in ("/console/reviews", "/console/nowhere", "/console/static/style.css"):
        headers = (await visitor.get(path)).headers

        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert (await visitor.get("/console/reviews")).headers["Cache-Control"] == "no-store"


async def test_a_session_cookie_is_strict(there: Console) -> None:
    """No script reads it, no other site sends it."""
    cookie = (await there.visitor("rae", "reviewers").get("/console/reviews")).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


async def test_over_tls_it_is_secure_and_of_this_host_alone(tmp_path: Path) -> None:
    """As the console's URL says."""
    settings = PeopleSettings(local_person="dana", console_url="https://pointsman.example.com")
    async with console(tmp_path, settings) as there:
        cookie = (await there.visitor().get("/console/reviews")).headers["Set-Cookie"]

    assert cookie.startswith("__Host-pointsman=")
    assert "; Secure" in cookie


async def test_a_form_of_our_own_page_is_obeyed(there: Console) -> None:
    """The theme is chosen, and the page it was chosen on comes back."""
    visitor = there.visitor("rae", "reviewers")
    token = (await visitor.get("/console/reviews")).form_token
    done = await visitor.post("/console/theme", {**FORM, "form_token": token})

    assert (done.status, done.headers["Location"]) == (303, "/console/reviews")
    assert 'data-theme="dark"' in (await visitor.get("/console/reviews")).text


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "", "Sec-Fetch-Site": ""},
    ],
)
async def test_a_form_of_another_site_is_refused(there: Console, headers: dict[str, str]) -> None:
    """Also with the right token, and where the browser says nothing."""
    visitor = there.visitor("rae", "reviewers")
    token = (await visitor.get("/console/reviews")).form_token
    done = await visitor.post("/console/theme", {**FORM, "form_token": token}, **headers)

    assert done.status == 403
    assert there.turned("CrossSite") == 1


async def test_a_form_of_another_session_or_person_is_refused(there: Console) -> None:
    """A token that leaked from somebody else's page is worth nothing."""
    rae, dana = there.visitor("rae", "reviewers"), there.visitor("dana", "platform")
    token = (await dana.get("/console/reviews")).form_token
    await rae.get("/console/reviews")
    for bad in (token, "", "ä"):
        assert (await rae.post("/console/theme", {**FORM, "form_token": bad})).status == 403
    assert there.turned("BadForm") == 3


@pytest.mark.slow
@pytest.mark.parametrize("to", ["https://evil.example.com/", "//evil.example.com", "/console\\x"])
async def test_a_form_leads_nowhere_else(there: Console, to: str) -> None:
    """Only to pages of the console."""
    visitor = there.visitor("rae", "reviewers")
    token = (await visitor.get("/console/reviews")).form_token
    done = await visitor.post("/console/theme", {**FORM, "to": to, "form_token": token})

    assert done.headers["Location"] == "/console/"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_what_is_no_form_is_told(there: Console) -> None:
    """400 for another type, 413 for too much, and the ledger goes on."""
    visitor = there.visitor("rae", "reviewers")
    odd = await visitor.post("/console/theme", FORM, content_type="text/plain")
    assert odd.status == 400
    long = await visitor.post("/console/theme", {**FORM, "theme": "x" * MAX_FORM_BYTES})
    assert long.status == 413
    assert (await visitor.get("/console/reviews")).status == 200


async def test_a_page_that_is_not_there_is_told_in_the_frame(there: Console) -> None:
    """404 with the navigation."""
    page = await there.visitor("rae", "reviewers").get("/console/nowhere")

    assert page.status == 404
    assert "Reviews" in page.text
    assert (await there.visitor().get("/console/nowhere")).status == 401


async def test_a_name_is_shown_as_text(there: Console) -> None:
    """Whatever an identity source calls somebody."""
    page = await there.visitor("<script>alert(1)</script>", "readers").get("/console/reviews")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


async def test_the_person_of_this_machine_is_known_under_its_own_names_only(
    tmp_path: Path,
) -> None:
    """A page elsewhere whose name leads here could act for them."""
    async with console(tmp_path, PeopleSettings(local_person="dana")) as there:
        visitor = there.visitor()
        assert (await visitor.get("/console/reviews")).status == 200
        assert (await visitor.get("/console/reviews", Host="evil.example.com")).status == 403
        port = there.url.rpartition(":")[2]
        assert (await visitor.get("/console/reviews", Host=f"localhost:{port}")).status == 200


async def test_a_store_that_is_away_is_told_by_the_page(there: Console) -> None:
    """503 to come again, in the frame, and nothing of what the store said."""
    visitor = there.visitor("rae", "reviewers")
    there.store.away = "password=hunter2"
    page = await visitor.get("/console/reviews")

    assert page.status == 503
    assert int(page.headers["Retry-After"]) >= 1
    assert "The store is away" in page.text
    assert "hunter2" not in page.text
    there.store.away = ""
    assert (await visitor.get("/console/reviews")).status == 200


async def test_a_role_that_is_too_low_decides_nothing(there: Console) -> None:
    """A viewer's form is refused, though all else of it is right."""
    visitor = there.visitor("una", "readers")
    token = (await visitor.get("/console/reviews")).form_token
    for path in ("next", "d-1/claim", "d-1/release", "d-1/decide"):
        done = await visitor.post(f"/console/reviews/{path}", {"form_token": token})
        assert done.status == 403
    assert there.turned("NoRole") == 4


async def test_a_cross_site_claim_by_the_api_is_refused_too(there: Console) -> None:
    """A page elsewhere could send JSON as text through the proxy that signs its visitor in."""
    visitor = there.visitor("rae", "reviewers")
    done = await visitor.post("/v1/people/reviews/d-1/claim", {}, Origin="https://evil.example.com")
    assert done.status == 403


@pytest.mark.slow
def test_a_ledger_without_the_consoles_libraries_says_so(tmp_path: Path) -> None:
    """Where it is asked for; else it runs as it did."""
    program = (
        "import sys; sys.modules['jinja2'] = None; "
        "from pointsman.ledger.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, f"--db={tmp_path / 'ledger.db'}"]
    done = subprocess.run(
        [*command, "--local-person=dana"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "pointsman[console]" in done.stderr
