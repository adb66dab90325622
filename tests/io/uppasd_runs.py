"""Small UppASD runs written the way the program writes them, and an independent reference for their energy."""

import shutil
from pathlib import Path

import numpy as np

REAL_RUN = Path(__file__).parents[1] / "data" / "uppasd" / "N64_D0.50_B0.125_s12"

INPSD = """\
simid skx
ncell {nx} {ny} {nz}       System size
BC P P 0                   Boundary conditions (0=vacuum, P=periodic)
cell 1.0 0.0 0.0
     0.0 1.0 0.0
     0.0 0.0 1.0
Sym 0
posfile ./posfile
momfile ./momfile
exchange ./jfile
dm ./dmfile
Mensemble {ensembles}
tseed 12
ip_mode M
ip_hfield 0.0 0.0 29.381469375307
ip_mcanneal 2
3000 157.8875646787
3000   0.9473253881
mode H
temp 0.947325388072
hfield 0.0 0.0 29.381469375307
mcNstep 4000
"""

#: J = 0.5 and D = 0.25 mRy for each ordered pair: D/J = 0.5, Néel, handedness -1.
JFILE = "1 1 1 0 0 0.5\n1 1 -1 0 0 0.5\n1 1 0 1 0 0.5\n1 1 0 -1 0 0.5\n"
DMFILE = "1 1 1 0 0 0 -0.25 0\n1 1 -1 0 0 0 0.25 0\n1 1 0 1 0 0.25 0 0\n1 1 0 -1 0 -0.25 0 0\n"

COUNTERS = {
    "iteration": "{time:8d}{ensemble:8d}{atom:8d}",
    "time": "{time:16.8E}{ensemble:8d}{atom:8d}",
    "legacy restart": "{ensemble:8d}{atom:8d}",
}


def random_spins(*shape, seed=0):
    """Unit vectors of shape (ensemble, z, y, x, 3) or shorter, float64."""
    spin = np.random.default_rng(seed).normal(size=(*shape, 3))
    return spin / np.linalg.norm(spin, axis=-1, keepdims=True)


def es16_8(number):
    """Fortran's es16.8, which leaves out the letter of exponents with three digits."""
    mantissa, exponent = f"{number:.8E}".split("E")
    return f"{mantissa}{'E' if len(exponent) == 3 else ''}{exponent}".rjust(16)


def header(n_atoms, n_ensembles, *, kind="R", first="# iter"):
    """The seven lines above the rows; ``first`` names the first column as one of the versions does."""
    names = f"{first:>8}{'ens':>8}{'iatom':>8}{'|Mom|':>16}{'M_x':>16}{'M_y':>16}{'M_z':>16}"
    return [
        "#" * 80,
        f"# File type: {kind}",
        "# Simulation type: H",
        f"# Number of atoms:  {n_atoms:8d}",
        f"# Number of ensembles:  {n_ensembles:8d}",
        "#" * 80,
        names,
    ]


def rows(spin, *, form="iteration", time=-1, moment=1.0):
    """Rows of one frame; ``spin`` of shape (ensemble, atom, 3)."""
    return [
        COUNTERS[form].format(time=time, ensemble=e, atom=a) + "  " + "".join(map(es16_8, (moment, *direction)))
        for e, lattice in enumerate(spin, 1)
        for a, direction in enumerate(lattice, 1)
    ]


def legacy_moment_rows(spin, *, time=0, moment=1.0, gap=""):
    """Rows of one frame of a moment file with ``do_mom_legacy Y``: three-digit exponents, no blank before a minus."""
    lines = []
    for atom, direction in enumerate(spin, 1):
        numbers = [*(moment * direction), moment**2]
        printed = [f"{number:.8E}" for number in numbers]
        wide = [f"{text[:-2]}0{text[-2:]}" if len(text.split("E")[1]) == 3 else text for text in printed]
        lines.append(f"{time:8d}  {atom:8d}    " + gap.join(text.rjust(16) for text in wide))
    return lines


def write_lines(path, lines, end="\n"):
    path.write_bytes((end.join(lines) + end).encode())
    return path


def write_restart(path, spin, **options):
    """A restart file of spins (ensemble, atom, 3)."""
    return write_lines(path, header(spin.shape[1], spin.shape[0]) + rows(spin, **options))


def write_run(folder, spin=None, *, inpsd=INPSD, jfile=JFILE, dmfile=DMFILE, moment=1.0, replace=()):
    """A finished run; ``spin`` of shape (ensemble, z, y, x, 3).

    ``replace`` holds (old, new) pairs that are exchanged in the input.
    """
    spin = random_spins(1, 1, 4, 6) if spin is None else spin
    ensembles, nz, ny, nx, _ = spin.shape
    for old, new in replace:
        assert old in inpsd
        inpsd = inpsd.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inpsd.dat").write_text(inpsd.format(nx=nx, ny=ny, nz=nz, ensembles=ensembles))
    (folder / "jfile").write_text(jfile)
    (folder / "dmfile").write_text(dmfile)
    (folder / "posfile").write_text("1 1 0.0 0.0 0.0\n")
    (folder / "momfile").write_text(f"1 1 {moment} 0.0 0.0 1.0\n")
    write_restart(folder / "restart.skx.out", spin.reshape(ensembles, -1, 3), moment=moment)
    return folder


def copy_real_run(folder):
    """A copy of the real run that may be changed."""
    shutil.copytree(REAL_RUN, folder)
    return folder


def reference_energy(spin, *, D, B, handedness):
    """Exchange, DMI (Néel) and Zeeman energy per site of one lattice (y, x, 3), straight from the formula, in J."""
    right, up = np.roll(spin, -1, axis=1), np.roll(spin, -1, axis=0)
    exchange = -np.sum(spin * right) - np.sum(spin * up)
    dmi = -handedness * D * (np.sum(np.cross(spin, right)[..., 1]) - np.sum(np.cross(spin, up)[..., 0]))
    return np.array([exchange, dmi, -B * np.sum(spin[..., 2])]) / spin[..., 0].size


def reference_charge(spin):
    """Berg–Lüscher charge of one periodic lattice (y, x, 3)."""

    def solid_angle(a, b, c):
        triple = np.einsum("...i,...i", a, np.cross(b, c))
        return 2 * np.arctan2(triple, 1 + np.sum(a * b + b * c + c * a, axis=-1))

    right, up = np.roll(spin, -1, axis=1), np.roll(spin, -1, axis=0)
    corner = np.roll(right, -1, axis=0)
    return np.sum(solid_angle(spin, right, corner) + solid_angle(spin, corner, up)) / (4 * np.pi)
