"""One Chromium for all tests, which are skipped where there is none; whatever it complains about fails the test."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
LONGEST_S = 30.0
"""On a machine that does other things at the same time."""

RESET = (
    "clock.pause(); clock.setRate(1); if (loop) toggleLoop(); chosen = null; byId('window').value = 0;"
    "document.querySelectorAll('.shown input').forEach((one) => { one.checked = true; });"
    "clock.seek(0); shownFrame = -1; show(0); scrollTo(0, 0); return setRange([0, page.duration_s]).then(() => 1)"
)


class Browser:
    """A page in Chromium: what a person sees of it and does with it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path | str, dark: bool = False, width_px: int = 1200, height_px: int = 900) -> None:
        """Open a page; one that is open already is brought back to its beginning, which takes no second."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": width_px < 800}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        address = page.absolute().as_uri() if isinstance(page, Path) else page
        if self.driver.current_url != address:
            self.driver.get(address)
            self.wait("document.documentElement.dataset.ready === 'yes' || !document.getElementById('timeline')")
        elif self.ask("!!document.getElementById('timeline')"):
            self.do(RESET)
            self.wait("!clock.playing && !ticking && !following")

    def ask(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    def do(self, statement: str) -> None:
        self.driver.execute_script(statement)

    def wait(self, expression: str) -> None:
        """Wait until it is true."""
        end = time.monotonic() + LONGEST_S
        while not self.ask(expression):
            assert time.monotonic() < end, f"it never became true: {expression}"
            time.sleep(0.03)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        self.do("document.activeElement.blur()")
        ActionChains(self.driver).send_keys(*keys).perform()

    def click_plot(self, plot: str, time_s: float, row: float) -> None:
        """Click in a plot over time, at a time and a row."""
        from selenium.webdriver import ActionChains

        self.do(f"document.getElementById('{plot}').scrollIntoView({{block: 'center'}})")
        x, y = self.ask(
            f"(() => {{ const e = document.getElementById('{plot}'), l = e._fullLayout, b = e.getBoundingClientRect();"
            f"return [b.left + l._size.l + l.xaxis.d2p({time_s}), b.top + l._size.t + l.yaxis.d2p({row})]; }})()"
        )
        actions = ActionChains(self.driver)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        actions.click().perform()


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    arguments = [
        "--headless=new",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--mute-audio",
    ]
    arguments.append(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    # Its sandbox refuses root, who runs containers.
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: Any) -> Iterator[Browser]:
    """A browser that must have nothing to complain about in the end."""
    driver.get_log("browser")
    yield Browser(driver)
    # A server is asked for an icon of its own.
    assert [line["message"] for line in driver.get_log("browser") if "favicon" not in line["message"]] == []
