"""Flow, cost, quality, drift, rollouts, decisions, audit: as they are read, and by keyboard."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from pointsman.api.orders import PAUSED
from pointsman.ledger.console.fleet.files import read_orders
from tests.browser.chromium import DESKTOP, PHONE, Chromium, Theme
from tests.browser.day import THEMES
from tests.browser.proxy import FLAGS, Proxy
from tests.ledger.console.showing import fleet, main, show
from tests.ledger.process import ledger_process

PAGES = (
    "flow", "cost", "quality", "quality?of=golden", "drift", "rollouts", "rollouts/support",
    "rollouts/search", "decisions", "decisions/00000000-c0de-4a11-9e5d", "audit?check=yes",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a busy desk."""
    place = tmp_path_factory.mktemp("fleet")
    main(place)
    return place


@pytest.fixture(scope="module")
def signed_in(folder: Path) -> Iterator[str]:
    """Where otto, an operator, finds the console."""
    flags = (f"--db={folder / 'ledger.db'}", f"--console-fleet={folder}", *FLAGS)
    with ledger_process(*flags) as ledger, Proxy(ledger.port, "otto", "platform") as proxy:
        yield f"{proxy.url}/console"


@pytest.fixture
def otto(signed_in: str, folder: Path, browser: Chromium) -> str:
    """With a fleet that was seen just now."""
    show(folder, fleet(time.time_ns() // 1_000_000))
    browser.open(f"{signed_in}/rollouts/support")
    for _ in range(50):
        if "Approve" in browser.text():
            break
        time.sleep(0.2)
        browser.open(f"{signed_in}/rollouts/support")
    browser.complaints()  # of a page that was not there yet
    return signed_in


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(
    otto: str, folder: Path, browser: Chromium, theme: Theme
) -> None:
    """On no page, in either size, and none is wider than the window."""
    for size in (DESKTOP, PHONE):
        browser.look(size, theme)
        for page in PAGES:
            show(folder, fleet(time.time_ns() // 1_000_000))
            browser.open(f"{otto}/{page}")
            assert browser.problems() == [], f"{page} {theme} {size}"
            assert browser.overhang() == 0, f"{page} {size}"
            assert browser.spills() == [], f"{page} {size}"


def test_names_are_text_in_pictures_too(otto: str, browser: Chromium) -> None:
    """Nothing of a team's name was run."""
    for page in ("flow", "cost", "decisions"):
        browser.open(f"{otto}/{page}")
        found = browser.driver.execute_script(
            "return document.querySelectorAll('main script, main img, svg script').length"
        )
        assert found == 0


def test_a_rollout_is_paused_by_the_keyboard(otto: str, folder: Path, browser: Chromium) -> None:
    """From the list on; the focus is seen at each step."""
    browser.open(f"{otto}/rollouts")
    browser.tab_to("Skip to content", 1)
    browser.keys(Keys.ENTER)
    browser.tab_to("support")
    browser.keys(Keys.ENTER)
    browser.shows("Approve")
    browser.tab_to("Pause")
    browser.keys(Keys.ENTER)
    browser.shows("Paused: it stays in this step.")

    assert read_orders(folder)["support"][PAUSED] == "true"


def test_grave_orders_are_asked_for_once_more(otto: str, folder: Path, browser: Chromium) -> None:
    """Without script, too: nothing is promoted by one press."""
    before = read_orders(folder)
    browser.open(f"{otto}/rollouts/support")
    summary = browser.find("details.confirm > summary")
    assert summary.text == "Promote…"
    summary.click()
    browser.shows("Take over now, whatever the guardrails say?")

    assert read_orders(folder) == before


def test_the_flow_follows_the_fleet(otto: str, folder: Path, browser: Chromium) -> None:
    """Without anybody's reloading it."""
    browser.open(f"{otto}/flow")
    browser.shows("1 of 2")
    objects = fleet(time.time_ns() // 1_000_000)
    objects["backends"][0]["status"] |= {"replicas": 7, "readyReplicas": 6}
    show(folder, objects)
    browser.shows("6 of 7")


def test_a_decision_is_found_by_its_names(otto: str, browser: Chromium) -> None:
    """The form, the list, and the one."""
    browser.open(f"{otto}/decisions")
    browser.find("#backend").send_keys("llama-old")
    browser.find("#task").send_keys("coding")
    browser.press("Search")
    browser.shows("llama-old")
    browser.find("a.row").click()
    browser.shows("What was decided")
    browser.shows("coding, confidence")
