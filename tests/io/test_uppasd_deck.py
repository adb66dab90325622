"""`inpsd.dat` is read as UppASD reads it, and what UppASD would not say is said."""

import pytest
from uppasd_runs import INPSD, REAL_RUN, write_run

from skylattice.errors import FormatError
from skylattice.io.uppasd.deck import read_deck
from skylattice.io.uppasd.keywords import KEYWORDS, nearest_keyword
from skylattice.io.uppasd.lint import lint


@pytest.fixture
def deck_of(tmp_path):
    """Read a text as inpsd.dat."""

    def deck(text):
        path = tmp_path / "inpsd.dat"
        path.write_text(text)
        return read_deck(path)

    return deck


def messages(deck, level="warning"):
    return [f"{finding.message} {finding.remedy}" for finding in lint(deck) if finding.level == level]


GOOD = INPSD.format(nx=6, ny=4, nz=1, ensembles=1)


def test_keywords__are_known_in_any_case_with_comments_and_colons(deck_of):
    deck = deck_of("TEMP 1.5d-2 Kelvin\n  McNstep: 20 sweeps\n# temp 7\n% x\n* y\n= z\n! w\n\nHfield 0,0,3 ! Tesla")
    assert deck.floats("temp", (0.0,)) == (0.015,)
    assert deck.integers("mcnstep", (0,)) == (20,)
    assert deck.floats("hfield", (0.0, 0.0, 0.0)) == (0.0, 0.0, 3.0)
    assert not deck.ignored


def test_values__go_on_over_lines(deck_of):
    deck = deck_of("cell 1 0 0 x\n 0 1 0\n 0 0 1\nncell\n3 4 5\n")
    with pytest.raises(FormatError, match=r"inpsd.dat:1: expected 9 numbers after 'cell', found 1 0 0 x 0 1 0 0 0"):
        deck.floats("cell", (0.0,) * 9)
    assert deck.integers("ncell", (0, 0, 0)) == (3, 4, 5)


def test_last_occurrence__counts(deck_of):
    deck = deck_of("temp 1\ntemp 2\n")
    assert deck.floats("temp", (0.0,)) == (2.0,)
    assert any("inpsd.dat:1: 'temp' stands again in line 2" in text for text in messages(deck))


def test_annealing_table__is_skipped_row_by_row(deck_of):
    deck = deck_of("ip_mcanneal 2\n100 5.0 1e-16 0.3 --\n\n200 1.0\ntemp 0.5\n")
    assert deck.entries["ip_mcanneal"].rows == [["100", "5.0", "1e-16", "0.3", "--"], ["200", "1.0"]]
    assert deck.floats("temp", (0.0,)) == (0.5,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ip_mcanneal 3\n1 2\n1 2\ntemp 5\n", r"inpsd.dat:4: expected row 3 of 3 .* \(line 1\), found 'temp'"),
        ("ip_mcanneal 3\n1 2\n", r"inpsd.dat:1: expected 3 rows after 'ip_mcanneal', found 1"),
        ("ip_mcanneal x\n1 2\n", r"inpsd.dat:1: expected 1 number of rows after 'ip_mcanneal', found x"),
        ("ip_mcanneal 1.5\n1 2\n", r"inpsd.dat:1: expected whole numbers"),
        ("ip_nphase 0\ntemp 5\n", r"inpsd.dat:2: expected a blank line after 'ip_nphase 0', found 'temp'"),
        ("simid x\ntemp", r"inpsd.dat:2: expected 1 values after 'temp', found none"),
        ("simid x\nBC P", r"inpsd.dat:2: expected 3 values after 'bc', found P"),
        ("", "found an empty file"),
        ("  \n\n", "found an empty file"),
    ],
)
def test_bad_structure__names_the_line(deck_of, text, message):
    with pytest.raises(FormatError, match=message):
        deck_of(text)


@pytest.mark.parametrize("value", ["x", "NaN", "1e999", "1.2.3", "0x10", "--1"])
def test_bad_number__names_the_line(deck_of, value):
    with pytest.raises(FormatError, match=rf"inpsd.dat:2: expected 1 number after 'temp', found {value}"):
        deck_of(f"simid x\ntemp {value}\n").floats("temp", (0.0,))


def test_good_input__has_no_findings(deck_of):
    assert lint(deck_of(GOOD)) == []
    assert lint(read_deck(REAL_RUN / "inpsd.dat")) == []


def test_lint__names_unknown_keywords_and_the_nearest_known_one(deck_of):
    found = messages(deck_of(GOOD + "ipfield 0 0 30\nqqqq 5\n"))
    assert "inpsd.dat:23: a keyword not known to skylattice: 'ipfield'. If you meant 'ip_hfield', UppASD" in found[0]
    assert "inpsd.dat:24: a keyword not known to skylattice: 'qqqq'. UppASD ignores it, unless its version" in found[1]


@pytest.mark.parametrize("keyword", ["tepm", "mcnsteps", "hfeild", "ncel", "exchnge", "dmfile", "i_mode"])
def test_nearest_keyword__forgives_a_slip(keyword):
    assert nearest_keyword(keyword) in KEYWORDS


def test_lint__a_tab_hides_a_keyword(deck_of):
    found = messages(deck_of(GOOD.replace("temp ", "temp\t")))
    assert any("inpsd.dat:20: a tab after 'temp'" in text for text in found)
    assert any("no keyword 'temp': UppASD takes T = 0 K" in text for text in found)


def test_lint__counts_rows_that_the_table_does_not_announce(deck_of):
    found = messages(deck_of(GOOD.replace("ip_mcanneal 2", "ip_mcanneal 1").replace("mode H", "5000 0.1\nmode H")))
    assert len(found) == 1
    assert "inpsd.dat:18: 2 more rows than 'ip_mcanneal 1' announces" in found[0]
    assert "Write 'ip_mcanneal 3'" in found[0]


def test_lint__numbers_elsewhere_are_ignored_too(deck_of):
    assert any("inpsd.dat:23: numbers without a keyword" in text for text in messages(deck_of(GOOD + "1 2 3\n")))


def test_lint__annealing_at_another_field(deck_of):
    found = messages(deck_of(GOOD.replace("ip_hfield 0.0 0.0 29.381469375307", "")))
    assert len(found) == 1
    assert "the initial phase ran at 0 T, the measurement at 29.3815 T" in found[0]


def test_lint__annealing_that_never_runs(deck_of):
    assert any("'ip_mcanneal' has no effect" in text for text in messages(deck_of(GOOD.replace("ip_mode M", ""))))


def test_lint__superfluous_annealing_temperature_is_information(deck_of):
    assert any("'ip_temp' has no effect" in text for text in messages(deck_of(GOOD + "ip_temp 5\n"), "info"))


@pytest.mark.parametrize(
    ("line", "message"),
    [("temp", "T = 0 K"), ("hfield", "no field"), ("BC", "open boundaries")],
)
def test_lint__missing_parameters_get_uppasds_defaults(deck_of, line, message):
    text = "\n".join(row for row in GOOD.splitlines() if not row.startswith(line))
    assert any(f"no keyword {line.lower()!r}: UppASD takes {message}" in found for found in messages(deck_of(text)))


def test_table__names_file_and_line_of_a_bad_row(tmp_path):
    run = write_run(tmp_path, jfile="1 1 1 0 0 0.5\n1 1 -1 0 zero 0.5\n")
    with pytest.raises(FormatError, match=r"jfile:2: expected 6 numbers in this row, found 1 1 -1 0 zero 0.5"):
        read_deck(run / "inpsd.dat").table("exchange", "jfile", 6)
