"""A local cluster whose workers, scheduler and driver are killed at random until the ensemble is complete."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

_GRID = "D=[0.4, 0.5], B=np.arange(20) / 100, realizations=2, size=64, T=0.1, progress=False"
_DRIVER = f"""
import sys, numpy as np, skylattice
from skylattice.scheduling import computing
from skylattice.simulation.schedule import Schedule
with computing(scheduler=sys.argv[2] if len(sys.argv) > 2 else None):
    schedule = Schedule.geometric(1.0, 0.1, steps=10, sweeps=20)
    skylattice.simulate_ensemble({_GRID}, schedule=schedule, store=sys.argv[1])
"""


_VICTIMS = ("worker 1", "worker 2", "scheduler", "driver")
_CHANCES = (0.35, 0.25, 0.15, 0.25)


class Cluster:
    """A scheduler, two workers and a driver as processes; whatever is killed is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address_file = folder, folder / "scheduler.json"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a part; workers and driver only once there is a scheduler."""
        python = [sys.executable, "-m"]
        if name == "scheduler":
            self.address_file.unlink(missing_ok=True)
            command = [*python, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
            command += ["--no-dashboard", "--scheduler-file", str(self.address_file)]
        elif name.startswith("worker"):
            command = [*python, "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"]
            command += ["--no-dashboard", "--local-directory", str(self.folder), "--death-timeout", "60"]
        else:
            command = [sys.executable, "-c", _DRIVER, str(self.folder / "e.zarr"), self.address]
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        if name == "scheduler":
            deadline = time.monotonic() + 120
            while not self.address_file.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(0.3)

    @property
    def address(self) -> str:
        """Of the scheduler that runs."""
        return str(json.loads(self.address_file.read_text())["address"])

    def revive(self) -> bool:
        """Start what is dead again; True once the driver has ended well. A new scheduler brings new workers."""
        driver = self.processes.get("driver")
        if driver is not None and driver.poll() == 0:
            return True
        scheduler = self.processes.get("scheduler")
        if scheduler is None or scheduler.poll() is not None:
            self.kill("worker 1", "worker 2")
            self.start("scheduler")
        for name in ("worker 1", "worker 2", "driver"):
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                self.start(name)
        return False

    def kill(self, *names: str) -> None:
        """SIGKILL and reap."""
        for name in names:
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def run(n_kills: int, seed: int, *, patience: float = 1200.0) -> dict[str, Any]:
    """Kill parts at random until so many kills have struck or the ensemble is complete.

    Returns
    -------
    ``kills`` by what was killed, and ``problem``: "" if the end is bit-identical to an undisturbed run.
    """
    rng = np.random.default_rng(seed)
    kills = {"workers": 0, "scheduler": 0, "driver": 0}
    with tempfile.TemporaryDirectory(prefix="harness-kills-") as name:
        folder = Path(name)
        whole = subprocess.run([sys.executable, "-c", _DRIVER, folder / "whole.zarr"], check=False, capture_output=True)
        if whole.returncode:
            return {"kills": kills, "problem": whole.stderr.decode()[-300:]}
        cluster, deadline = Cluster(folder), time.monotonic() + patience
        try:
            while not cluster.revive():
                if time.monotonic() > deadline:
                    return {"kills": kills, "problem": f"not complete after {patience:g} seconds"}
                time.sleep(rng.uniform(0.5, 6.0))
                if sum(kills.values()) < n_kills and cluster.processes["driver"].poll() is None:
                    victim = str(
                        rng.choice(["worker 1", "worker 2", "scheduler", "driver"], p=[0.35, 0.25, 0.15, 0.25])
                    )
                    cluster.kill(victim)
                    kills["workers" if victim.startswith("worker") else victim] += 1
        finally:
            cluster.kill(*cluster.processes)
        return {"kills": kills, "problem": _compared(folder / "e.zarr", folder / "whole.zarr")}


def _compared(found: Path, whole: Path) -> str:
    from skylattice.io.store import open_ensemble

    one, other = (open_ensemble(path, load=True) for path in (found, whole))
    for name in ("spin", "status", "seed", "lattice_id", "D", "B"):
        if not np.array_equal(one[name].values, other[name].values):
            return f"{name} differs from the undisturbed run"
    return ""
