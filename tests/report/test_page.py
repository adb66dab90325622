"""Pages that need nothing beside them, and how numbers stand in their tables."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from skylattice.errors import MissingExtraError
from skylattice.report import style
from skylattice.report.cells import column_text, is_text
from skylattice.report.page import Page

pytest.importorskip("plotly")
pytest.importorskip("jinja2")


def figures_script(text):
    """Plotly itself, which mentions addresses that it does not load."""
    start = text.index("plotly.js v")
    return text[start : text.index("</script>", start)]


def cells(page):
    """Text of the body's cells, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.to_html())[1:]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]


def test_page__stands_alone_and_escapes_text(tmp_path):
    page = Page("<title>", "lead").heading("A & B").text("x < y").code("<b>").link('a.html?x=1&y="', "<i>")
    page.table(pd.DataFrame({"<a>": ["<script>alert(1)</script>"]}))
    page.figure(style.figure(title="one")).figure(style.figure(title="two"))
    text = page.write(tmp_path / "new" / "page.html").read_text()
    assert "<h1>&lt;title&gt;</h1>" in text
    assert "A &amp; B" in text
    assert "<pre>&lt;b&gt;</pre>" in text
    assert '<a href="a.html?x=1&amp;y=&#34;">&lt;i&gt;</a>' in text
    assert "&lt;a&gt;" in text
    assert "alert(1)</script>" not in text
    assert not re.search(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=", text.replace(figures_script(text), ""))
    assert text.count("Plotly.newPlot(") == 2
    assert text.count("plotly.js v") == 1


def test_table__writes_numbers_by_their_kind():
    frame = pd.DataFrame(
        {
            "phase": ["skyrmion", "ferromagnet"],
            "n": [24.0, np.nan],
            "Q": [-24.0000000001, -1e-12],
            "mse": [0.012345678, -1e-9],
            "seed": [2**63 + 1, 3],
        }
    )
    assert cells(Page("t").table(frame)) == [
        ["skyrmion", "24", "-24", "0.0123", "9223372036854775809"],
        ["ferromagnet", "", "0", "0.0000", "3"],
    ]


def test_table__of_mixed_cells_writes_each_by_its_kind():
    mixed = pd.DataFrame({"quantity": ["phase", "n", "energy"], "value": ["skyrmion", 24.0, -2.14123456]})
    assert [row[1] for row in cells(Page("t").table(mixed))] == ["skyrmion", "24", "-2.1412"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([12345.678, 0.5], ["12345.7", "0.5"]),
        ([1.5e-4, 3e-6], ["0.000150", "0.000003"]),
        ([3e-9, 2e-9], ["3e-09", "2e-09"]),
        ([0.0, -0.0], ["0", "0"]),
        ([1.0, 0.25], ["1.00", "0.25"]),
        ([-0.98, 0.55], ["-0.98", "0.55"]),
        ([np.inf, 1.5], ["inf", "1.5"]),
        ([], []),
    ],
)
def test_column__has_digits_that_say_something(values, expected):
    assert column_text(pd.Series(values, dtype=float)) == expected


def test_column__of_nullable_integers_stays_one():
    assert column_text(pd.Series([3, None], dtype="Int64")) == ["3", ""]


def test_is_text__is_words_and_not_intervals():
    assert is_text(pd.Series(["skyrmion", None]))
    assert not is_text(pd.Series(["0.50 [0.25, 0.75]", "-0.1 [-0.2, 0.0]", ""]))
    assert not is_text(pd.Series([1, None], dtype="Int64"))


def test_page__without_jinja_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"skylattice\[plot\]"):
        Page("t").to_html()
