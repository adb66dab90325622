"""The dashboard on a store of 2860 lattices of 200 × 200 sites, in headless Chromium.

``python benchmarks/dashboard.py`` makes the store, starts the server, and writes ``benchmarks/results/dashboard.json``:
seconds to the first picture, from a click on a point of the phase diagram to the new lattices drawn, and the server's
memory.
Targets: 2 s, 0.5 s and 1.5 GB. It needs Chromium and its driver.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains

import skylattice
from skylattice.cli.dashboard import dashboard_command, dashboard_environment
from skylattice.data import open_example
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.layout import Layout
from skylattice.io.results import write_results
from skylattice.io.writing import create_store, write_point

RESULTS = Path(__file__).parent / "results" / "dashboard.json"
D, B, REALIZATIONS = np.linspace(0.35, 0.6, 26).round(3), np.linspace(0.05, 0.155, 22).round(4), 5
WRITTEN, PORT, CLICKS = 7, 8599, 9


def make_store(path):
    """One real lattice, shifted, in many places: a few shards are written and linked; only reading is measured."""
    spin = open_example().spin.values[0, 0, 0]
    create_store(path, D=D, B=B, realizations=REALIZATIONS, layout=Layout((200, 200), 0.006, Hamiltonian("neel", -1)))
    for k in range(WRITTEN):
        shifted = [np.roll(spin, (17 * r, 29 * k), (0, 1)) for r in range(REALIZATIONS)]
        write_point(path, D=D[0], B=B[k], spin=np.stack(shifted))
    for array in (folder / "c" for folder in path.iterdir() if (folder / "c" / "0").is_dir()):
        for i, j in np.ndindex(len(D), len(B)):
            written = array / "0" / str((3 * i + j) % WRITTEN)  # so that points clicked one after the other differ
            for file in [file for file in written.rglob("*") if file.is_file()]:
                copy = array / str(i) / str(j) / file.relative_to(written)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if not copy.exists():
                    os.link(file, copy)
    ds = skylattice.open_ensemble(path)
    rng = np.random.default_rng(0)
    names = ("topological_charge", "m_z", "energy", "n_defects", "n_skyrmions", "hexatic_order", "cos_theta")
    scalars = {name: (("D", "B", "realization"), rng.normal(size=ds.status.shape)) for name in names}
    write_results(path, "observables", ds[["D", "B", "realization"]].assign(scalars))
    return int((ds.status == 1).sum())


def until(condition, seconds=60):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"waited {seconds} s in vain")


def pictures(browser):
    """What the pictures of the realizations show, read at once, so that none goes stale."""
    return browser.execute_script(
        "return [...document.querySelectorAll('.st-key-realizations .heatmaplayer image')]"
        ".map(image => image.getAttribute('href') || image.getAttribute('xlink:href')).join()"
    )


def heading(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('h3')].map(e => e.innerText).find(t => t.includes('D = ')) || ''"
    )


def memory(pid):
    """Resident bytes of a process at their highest."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def answers():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health", timeout=1).status == 200
    except OSError:
        return False


def measure(browser, address):
    """Seconds to the first picture of a new page, and of clicks on points that were never looked at."""
    start = time.perf_counter()
    browser.get(address)
    until(lambda: pictures(browser))
    first = time.perf_counter() - start
    headings, clicks = [], []
    for k in range(CLICKS):
        time.sleep(1.0)
        points = browser.find_elements("css selector", ".st-key-phase_diagram .scatterlayer .point")
        before, drawn = heading(browser), pictures(browser)
        ActionChains(browser).move_to_element(points[37 + 53 * k]).perform()
        start = time.perf_counter()
        ActionChains(browser).click().perform()
        until(lambda before=before: heading(browser) not in ("", before))
        headings.append(time.perf_counter() - start)
        until(lambda drawn=drawn: pictures(browser) not in ("", drawn))
        clicks.append(time.perf_counter() - start)
    return first, statistics.median(headings), statistics.median(clicks)


def main():
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "ensemble.zarr"
        lattices = make_store(store)
        environment = {**os.environ, **dashboard_environment(store, [], None)}
        command = dashboard_command(PORT, "127.0.0.1", open_browser=False)
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1366,900"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            until(answers)
            browser.get("about:blank")
            first, *_ = measure(browser, f"http://127.0.0.1:{PORT}")
            again, title, click = measure(browser, f"http://127.0.0.1:{PORT}")
            result = {
                "lattices": lattices,
                "first_picture_of_a_new_server_s": round(first, 2),
                "first_picture_s": round(again, 2),
                "click_to_new_heading_s": round(title, 2),
                "click_to_new_pictures_s": round(click, 2),
                "server_memory_GB": round(memory(server.pid) / 1e9, 2),
            }
        finally:
            browser.quit()
            server.terminate()
    print(result)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
