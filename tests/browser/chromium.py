"""One headless Chromium, and what tests ask of it."""

import base64
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.install import axe_source, found

Theme = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE_S: Final = 30.0
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Chromium:
    """Its own profile, gone with the block; nothing reaches the internet but by name."""

    def __init__(self) -> None:
        programs = found()
        self._profile = tempfile.TemporaryDirectory(prefix="pm-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = programs.browser
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
            f"--user-data-dir={self._profile.name}", "--lang=en-US",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(programs.driver))
        self.driver.set_page_load_timeout(PATIENCE_S)
        self.look(DESKTOP, "light")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def forget(self) -> None:
        """As if it were new: no page, no cookies, the usual look."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.look(DESKTOP, "light")
        self.complaints()

    def close(self) -> None:
        """With its profile."""
        self.driver.quit()
        self._profile.cleanup()

    def look(self, size: tuple[int, int], theme: Theme) -> None:
        """A window of this size, on a system of this theme."""
        width, height = size
        metrics = {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE,
        }  # fmt: skip
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def open(self, url: str) -> None:
        """And wait for it."""
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        """The first element; waits for it."""
        found: WebElement = self._wait().until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector)
        )
        return found

    def button(self, text: str) -> WebElement:
        """With this text; waits for it."""
        path = f"//button[normalize-space()='{text}']"
        found: WebElement = self._wait().until(lambda driver: driver.find_element(By.XPATH, path))
        return found

    def press(self, text: str) -> None:
        """The button with this text, and wait for the page that comes of it."""
        button = self.button(text)
        button.click()
        self._wait().until(lambda _: _is_gone(button))

    def shows(self, text: str) -> None:
        """Wait until the page does."""
        try:
            self._wait().until(lambda driver: text in driver.find_element(By.TAG_NAME, "body").text)
        except TimeoutException:
            raise AssertionError(
                f"no {text!r} on {self.driver.current_url}:\n{self.text()}"
            ) from None

    def text(self) -> str:
        """What is to be read."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def keys(self, *keys: str) -> None:
        """To whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, text: str, most: int = 60) -> None:
        """By the keyboard alone, to the control with this text or label; its focus is visible."""
        for _ in range(most):
            self.keys(Keys.TAB)
            name, outline = self.driver.execute_script(
                "const e = document.activeElement, s = getComputedStyle(e);"
                "const label = e.labels && e.labels.length ? e.labels[0].textContent : '';"
                "return [(label || e.textContent || '').trim(), s.outlineStyle + s.outlineWidth]"
            )
            if name.startswith(text):
                assert outline not in ("none0px", "none"), f"no focus is seen on {text!r}"
                return
        raise AssertionError(f"the keyboard does not reach {text!r}")

    def problems(self) -> list[str]:
        """What axe-core finds serious or critical here."""
        self.driver.execute_script(axe_source().read_text())
        found: dict[str, Any] = self.driver.execute_async_script(
            "const [rules, done] = arguments;"
            "axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(done)",
            _RULES,
        )
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"] or [{"html": ""}]
        ]

    def spills(self) -> list[str]:
        """Cells whose text runs over the next one's: nothing may be wider than its place."""
        found = self.driver.execute_script(
            "return [...document.querySelectorAll('main td, main tbody th, main dd, main dt')]"
            ".filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1)"
            ".map(each => each.textContent.trim().slice(0, 60))"
        )
        assert isinstance(found, list)
        return [str(each) for each in found]

    def overhang(self) -> int:
        """By how many pixels the page is wider than the window."""
        width: int = self.driver.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        return max(0, width)

    def complaints(self) -> list[str]:
        """What the browser's console has: refused scripts, styles, errors."""
        logged: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(one["message"]) for one in logged if one["level"] == "SEVERE"]

    def complaints_but(self, status: int) -> list[str]:
        """The same, without a page of this status, which was expected."""
        return [one for one in self.complaints() if f"status of {status} " not in one]

    def shoot(self, file: Path, *, whole: bool = True) -> None:
        """A picture of the page, as long as it is."""
        options: dict[str, object] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            options["clip"] = {
                "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
            }  # fmt: skip

        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        file.write_bytes(base64.b64decode(data))

    def _wait(self) -> WebDriverWait[Any]:
        return WebDriverWait(
            self.driver, PATIENCE_S, 0.1, ignored_exceptions=[StaleElementReferenceException]
        )


def _is_gone(element: WebElement) -> bool:
    """With its page; in mid-change the driver says so by an error of the inspector."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as error:
        if "inspector error" in (error.msg or ""):
            return True
        raise
    return False
