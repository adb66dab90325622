"""The dashboard in a real browser: headless Chromium on the shipped example, as a user meets it.

Needs Chromium and its driver (Debian: ``apt-get install chromium chromium-driver``); skipped where they are missing,
unless ``SKYLATTICE_REQUIRE_BROWSER`` is set.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pandas as pd
import pytest

from skylattice import open_catalog
from skylattice.cli import dashboard as cli_dashboard

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not (BROWSER and DRIVER) and os.environ.get("SKYLATTICE_REQUIRE_BROWSER"):
    raise RuntimeError("chromium and chromedriver are required here and missing")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium with its driver")
#: Seconds: a first visit compiles kernels and loads TensorFlow.
PATIENCE = 240


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of a dashboard on a copy of the example ensemble."""
    from skylattice.study.evaluation import encode_store

    root = tmp_path_factory.mktemp("served")
    example = open_catalog()["example"].path
    for name in ("example.zarr", "example.results.zarr"):
        shutil.copytree(example.with_name(name), root / name)
    save_tiny(root / "tiny")
    encode_store(root / "example.zarr", str(root / "tiny"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = cli_dashboard.dashboard_environment(root / "example.zarr", [], None)
    command = cli_dashboard.dashboard_command(port, "127.0.0.1", open_browser=False)
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(address + "/_stcore/health"))
        yield address
    finally:
        process.terminate()
        process.wait(30)


def save_tiny(path):
    from skylattice.vae import build, save

    save(build("periodic", size=20, widths=(8, 8, 16), blocks=(1, 1, 1)), path)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium that saves downloads to ``tmp_path``."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1366,900"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def until(condition, seconds=PATIENCE):
    """The first true value of ``condition``; elements that vanish while the page is drawn again do not matter."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = condition()
        except StaleElementReferenceException:
            value = None
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain")


def find(browser, selector, text=""):
    """The first visible element of a CSS selector that contains a text."""
    elements = browser.find_elements("css selector", selector)
    return next((e for e in elements if e.is_displayed() and text in e.text), None)


def heading(browser):
    element = find(browser, "h3", "D = ")
    return element.text if element else ""


def pixels(browser):
    """The picture of the realizations, as drawn."""
    images = browser.find_elements("css selector", ".st-key-realizations .heatmaplayer image")
    return [image.get_attribute("href") or image.get_attribute("xlink:href") for image in images]


def test_dashboard__from_phase_diagram_to_a_generated_lattice(server, browser, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains

    # the phase diagram, and a click on one of its points
    browser.get(server)
    until(lambda: pixels(browser))
    before, drawn = heading(browser), pixels(browser)
    diagram = until(lambda: find(browser, ".st-key-phase_diagram .plotly .nsewdrag"))
    points = until(lambda: browser.find_elements("css selector", ".st-key-phase_diagram .scatterlayer .point"))
    ActionChains(browser).move_to_element(points[5]).click().perform()
    assert diagram is not None
    until(lambda: heading(browser) not in ("", before))
    until(lambda: pixels(browser) and pixels(browser) != drawn)
    chosen = heading(browser)
    D = chosen.partition(",")[0].removeprefix("D = ")
    until(lambda: f"D={D}&" in browser.current_url)

    # the table, downloaded
    until(lambda: find(browser, "[data-testid=stDownloadButton] button", "rows as CSV")).click()
    table = until(lambda: next(iter(tmp_path.glob("*.csv")), None))
    until(lambda: not list(tmp_path.glob("*.crdownload")))
    assert len(pd.read_csv(table)) == 80

    # another page, on the same lattice
    until(lambda: find(browser, "[data-testid=stTopNavLink]", "Lattice")).click()
    until(lambda: find(browser, "[data-testid=stCaptionContainer]", chosen))
    until(lambda: find(browser, ".st-key-lattice .plotly .nsewdrag"))

    # one new lattice
    until(lambda: find(browser, "[data-testid=stTopNavLink]", "Generate")).click()
    until(lambda: find(browser, "[data-testid=stFormSubmitButton] button", "Generate")).click()
    drawn_or_failed = ".st-key-generated_lattice .plotly .nsewdrag, [data-testid=stException], [data-testid=stAlert]"
    until(lambda: find(browser, drawn_or_failed))
    assert find(browser, ".st-key-generated_lattice .plotly .nsewdrag"), find(browser, drawn_or_failed).text


def test_dashboard__opened_by_a_link_shows_the_same_lattice(server, browser):
    browser.get(f"{server}/lattice?store=example&D=0.7&B=0.26&realization=1")
    until(lambda: find(browser, "[data-testid=stCaptionContainer]", "D = 0.7, B = 0.26, realization 1"))
    assert find(browser, "[data-testid=stTopNavLink]", "Ensemble"), "the navigation is there on a direct link too"


def test_server__listens_on_this_machine_only_and_takes_no_uploads():
    command = cli_dashboard.dashboard_command(8501, "127.0.0.1", open_browser=False)
    assert "--server.address=127.0.0.1" in command
    assert "--server.maxUploadSize=1" in command
    import inspect

    assert inspect.signature(cli_dashboard.dashboard).parameters["address"].default == "127.0.0.1"
