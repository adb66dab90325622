"""OVF files written by the rules of the format alone, in all their forms: what the reader is tested against."""

from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data" / "ovf"
CHECKS = {4: 1234567.0, 8: 123456789012345.0}
FORMS = ["Text", "CSV", "Binary 4", "Binary 8"]


def unit_vectors(*shape, seed=0):
    """Shape (*shape, 3), float64."""
    vectors = np.random.default_rng(seed).normal(size=(*shape, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def data_block(points, form, order="<"):
    """The data of one segment, between its Begin and End lines; ``points`` has shape (n, columns)."""
    if form.lower().startswith("binary"):
        dtype = np.dtype(f"{order}f{form[-1]}")
        return np.array(CHECKS[dtype.itemsize], dtype).tobytes() + points.astype(dtype).tobytes() + b"\n"
    end = "," if form == "CSV" else ""
    lines = ["".join(f"{number:22.12f}{end}" for number in row) for row in points]
    return ("\n".join(lines) + "\n").encode()


def header_lines(shape, version=2, **changes):
    """Lines of a rectangular mesh (nz, ny, nx); a change to None removes the line."""
    nodes = dict(zip("zyx", shape, strict=True))
    values = {"Title": "m", "meshtype": "rectangular", "meshunit": "nm"}
    values |= {f"{axis}min": 0 for axis in "xyz"} | {f"{axis}max": n for axis, n in nodes.items()}
    values |= {f"{axis}base": 0.5 for axis in "xyz"} | {f"{axis}stepsize": 1 for axis in "xyz"}
    values |= {f"{axis}nodes": n for axis, n in nodes.items()}
    if version == 2:
        values |= {"valuedim": 3, "valuelabels": "m_x m_y m_z", "valueunits": "1 1 1"}
    else:
        values |= {"valueunit": "A/m", "valuemultiplier": 1, "ValueRangeMinMag": 0, "ValueRangeMaxMag": 1}
    values |= changes
    return [f"# {label}: {value}" for label, value in values.items() if value is not None]


def segment(points, header, form="Text", order="<"):
    """One segment."""
    head = ["# Begin: Segment", "# Begin: Header", *header, "# End: Header", f"# Begin: Data {form}"]
    return (
        ("\n".join(head) + "\n").encode()
        + data_block(points, form, order)
        + f"# End: Data {form}\n# End: Segment\n".encode()
    )


def ovf_file(path, vectors, form="Text", version=2, *, order=None, **changes):
    """A file of one segment with vectors (nz, ny, nx, 3) or (ny, nx, 3)."""
    vectors = np.asarray(vectors)
    shape = (1, *vectors.shape[:-1])[-3:]
    points = vectors.reshape(-1, vectors.shape[-1])
    header = header_lines(shape, version, **changes)
    return write_segments(path, [segment(points, header, form, order or "_><"[version])], version)


def irregular_file(path, positions, vectors, form="Text", version=1, **changes):
    """A file of one segment with a position before each vector."""
    n = changes.pop("pointcount", len(positions))
    nodes = {f"{axis}{name}": None for axis in "xyz" for name in ("base", "nodes", "stepsize")}
    header = header_lines((1, 1, 1), version, meshtype="irregular", pointcount=n, **nodes, **changes)
    points = np.concatenate([positions, vectors], axis=1)
    return write_segments(path, [segment(points, header, form, "_><"[version])], version)


def write_segments(path, segments, version=2, count=None):
    """A file of some segments."""
    first = "# OOMMF OVF 2.0" if version == 2 else "# OOMMF: rectangular mesh v1.0"
    head = f"{first}\n# Segment count: {len(segments) if count is None else count}\n"
    path.write_bytes(head.encode() + b"".join(segments))
    return path


def replaced(path, *changes):
    """The file with some bytes, which must be there, in place of others."""
    content = path.read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    path.write_bytes(content)
    return path
