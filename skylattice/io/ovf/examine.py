"""What an OVF file holds, and what can be done with it: for the doctor."""

from __future__ import annotations

from pathlib import Path

from skylattice.io.ovf.data import read_points
from skylattice.io.ovf.header import Segment
from skylattice.io.ovf.read import check_sizes, sites_of, unit_spins
from skylattice.io.ovf.scan import read_segments
from skylattice.io.problems import Diagnosis, Finding, Level, LocatedError


def examine(path: Path) -> Diagnosis:
    """What a file holds, and everything worth knowing; all numbers are read."""
    diagnosis = Diagnosis(path, "OVF file")
    with diagnosis.recording():
        diagnosis.summary, findings = _examine_segments(path)
        diagnosis.findings += findings
    return diagnosis


def _examine_segments(path: Path) -> tuple[str, list[Finding]]:
    """A line about the content, and the findings."""
    segments = read_segments(path)
    first = segments[0]
    summary = f"OVF {first.version}.0, {first.form}, {len(segments)} segment{'s' if len(segments) > 1 else ''}"
    findings: list[Finding] = []
    sizes: list[tuple[int, int]] = []
    for segment in segments:
        try:
            (nz, ny, nx), errors = _examine_segment(segment)
        except LocatedError as error:
            findings.append(error.finding())
            continue
        if not sizes:
            summary += f", {nx} × {ny} sites" + (f" in {nz} layers" if nz > 1 else "")
        sizes.append((ny, nx))
        if nz > 1:
            findings.append(
                Finding("info", f"{segment.mesh_where}: {nz} layers.", "Choose one when reading: z=0 is the lowest.")
            )
        # a layer without spins, such as a spacer, is no reason not to read another one
        level: Level = "error" if len(errors) == nz else "warning"
        findings += [
            Finding(level, f"{error.where}, layer z={z}: {error.problem}", error.remedy) for z, error in errors
        ]
    if len(sizes) == len(segments):
        try:
            check_sizes(segments, sizes)
        except LocatedError as error:
            findings.append(error.finding())
    if all(finding.level != "error" for finding in findings):
        how = "xr.open_dataset(path, engine='ovf', D=, B=, T=, hamiltonian=)"
        findings.append(Finding("info", f"{path}: spins; D, B, T and the DMI are not in the file.", f"Read it: {how}."))
    return summary, findings


def _examine_segment(segment: Segment) -> tuple[tuple[int, int, int], list[tuple[int, LocatedError]]]:
    """Nodes (nz, ny, nx), and what is wrong with which layer."""
    sites, points, errors = sites_of(segment), read_points(segment), []
    for z in range(sites.shape[0]):
        try:
            layer = sites.layer(z)
            unit_spins(layer.of(points), segment, layer)
        except LocatedError as error:
            errors.append((z, error))
    return sites.shape, errors
