"""Pages in light and dark, on a desk and on a phone: whoever they are read by.

Those of the fleet have `test_fleet_pages.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import DESKTOP, PHONE, Chromium
from tests.browser.day import PATHS, THEMES, busy_desk, pages
from tests.browser.desk import Desk, desk


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A ledger with something on each page."""
    with busy_desk(tmp_path_factory.mktemp("busy")) as there:
        yield there


@pytest.mark.parametrize("page", ["reviews", "review", "decided", "over"])
def test_axe_finds_nothing_serious(busy: Desk, browser: Chromium, page: str) -> None:
    """Names, roles, order, contrast by WCAG 2.2 AA; and 390 px are enough."""
    for theme in THEMES:
        for size in (DESKTOP, PHONE):
            browser.look(size, theme)
            browser.open(pages(busy)[page])
            assert browser.problems() == [], f"{theme} {size}"
            assert browser.overhang() == 0, f"{theme} {size}"


def test_axe_would_find_something(busy: Desk, browser: Chromium) -> None:
    """A picture without words, a grey that nobody can read."""
    browser.open(pages(busy)["reviews"])
    browser.driver.execute_script(
        "document.querySelector('h1').append(document.createElement('img'));"
        "document.querySelector('.head p').style.color = '#c8c8c8';"
    )

    assert {one.partition(":")[0] for one in browser.problems()} == {"image-alt", "color-contrast"}


def test_claimed_ones_with_forms_are_as_good(busy: Desk, browser: Chromium) -> None:
    """The page that is worked with most."""
    browser.open(pages(busy)["review"])
    browser.press("Claim")
    browser.find("#edit summary").click()
    for theme in THEMES:
        for size in (DESKTOP, PHONE):
            browser.look(size, theme)
            assert browser.problems() == [], f"{theme} {size}"
            assert browser.overhang() == 0


def test_pages_without_content_are_as_good(browser: Chromium, tmp_path: Path) -> None:
    """Empty, not found, not allowed, not signed in."""
    with desk(tmp_path) as there:
        url, straight = there.at("vera"), f"http://127.0.0.1:{there.ledger.port}/console/"
        paths = [path for path in PATHS.values() if "/" not in path]
        for number, path in enumerate([*paths, "nowhere", "reviews/none"]):
            browser.look((DESKTOP, PHONE)[number % 2], THEMES[number // 2 % 2])
            browser.open(f"{url}/console/{path}")
            assert browser.problems() == [], path
            assert browser.overhang() == 0, path
        for theme in THEMES:
            browser.look(PHONE, theme)
            browser.open(straight)
            assert browser.problems() == []
            assert browser.overhang() == 0
        browser.complaints()  # each error page's status


def test_a_chosen_theme_stays(busy: Desk, browser: Chromium) -> None:
    """Whatever the system says."""
    browser.open(pages(busy)["reviews"])
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.driver.execute_script(ground)
    browser.press("Dark")
    dark = browser.driver.execute_script(ground)
    browser.open(pages(busy)["over"])

    assert light != dark
    assert browser.driver.execute_script(ground) == dark
    browser.press("Light")
    browser.look(DESKTOP, "dark")
    assert browser.driver.execute_script(ground) == light


def test_without_script_everything_works(busy: Desk, browser: Chromium) -> None:
    """Claim, and release: forms and links are all there is."""
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(busy.at("ada") + "/console/reviews/d-3")
        browser.button("Claim").click()
        browser.shows("You hold it")
        browser.button("Release").click()
        browser.shows("Released")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_page_of_another_site_does_nothing(busy: Desk, browser: Chromium, tmp_path: Path) -> None:
    """A form that sends itself from elsewhere, in a browser that is signed in."""
    url = busy.at("ada")
    browser.open(f"{url}/console/reviews/d-5")
    page = tmp_path / "evil.html"
    page.write_text(
        f'<form method="post" action="{url}/console/reviews/d-5/claim">'
        '<input name="form_token" value="x"></form><script>document.forms[0].submit()</script>'
    )
    browser.open(page.as_uri())
    browser.shows("nothing was done")
    assert browser.complaints_but(403) == []

    browser.open(f"{url}/console/reviews/d-5")
    browser.shows("Nobody has claimed it")
