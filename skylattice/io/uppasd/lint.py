"""What is odd about an ``inpsd.dat``: the mistakes that UppASD does not report and that change what was simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from skylattice.io.problems import Finding, shown
from skylattice.io.uppasd.deck import Deck
from skylattice.io.uppasd.geometry import geometry_of_deck
from skylattice.io.uppasd.keywords import KEYWORDS, nearest_keyword

#: How many findings of one rule are reported; a file that is no input breaks it in every line.
_MOST_FINDINGS = 20


def lint(deck: Deck) -> list[Finding]:
    """What is odd about a deck that can be read; errors of its values are raised by whoever needs the value."""
    findings = []
    for rule in _RULES:
        found = list(islice(rule(deck), _MOST_FINDINGS + 1))
        findings += found[:_MOST_FINDINGS]
        if len(found) > _MOST_FINDINGS:
            more = f"{deck.path}: more of the same kind as {found[-2].message.removeprefix(f'{deck.path}:')}"
            findings.append(Finding("warning", more, "Check that this is the input of a UppASD run."))
    return findings


def _unknown_keywords(deck: Deck) -> Iterator[Finding]:
    for line in deck.ignored:
        if line.is_number:
            continue
        word = line.keyword.split()[0]
        message = f"{deck.path}:{line.line}: a keyword not known to skylattice: {shown(word)!r}."
        if word != line.keyword and word in KEYWORDS:
            yield Finding(
                "warning",
                f"{deck.path}:{line.line}: a tab after {word!r}: UppASD takes both for one word and ignores the line.",
                "Put a blank there.",
            )
        elif nearest := nearest_keyword(word):
            yield Finding("warning", message, f"If you meant {nearest!r}, UppASD ignores the line.")
        else:
            yield Finding("warning", message, "UppASD ignores it, unless its version knows more keywords.")


def _stray_rows(deck: Deck) -> Iterator[Finding]:
    rows = {line.line for line in deck.ignored if line.is_number}
    for keyword, entry in deck.entries.items():
        first = entry.line + len(entry.rows) + 1
        if entry.rows and first in rows:
            n_extra = next(n for n in range(1, len(rows) + 2) if first + n not in rows)
            yield Finding(
                "warning",
                f"{deck.path}:{first}: {n_extra} more rows than '{keyword} {len(entry.rows)}' announces; "
                "UppASD ignores them.",
                f"Write '{keyword} {len(entry.rows) + n_extra}' to use them.",
            )
            rows -= set(range(first, first + n_extra))
    for row in sorted(rows):
        yield Finding("warning", f"{deck.path}:{row}: numbers without a keyword, which UppASD ignores.", "Remove them.")


def _repeated_keywords(deck: Deck) -> Iterator[Finding]:
    for keyword, earlier in deck.repeated:
        if earlier.values != deck.entries[keyword].values:
            yield Finding(
                "warning",
                f"{deck.path}:{earlier.line}: {keyword!r} stands again in line {deck.entries[keyword].line}, "
                "which is the one that counts.",
                "Remove one of them.",
            )


def _missing_parameters(deck: Deck) -> Iterator[Finding]:
    for keyword, consequence in (("temp", "T = 0 K"), ("hfield", "no field"), ("bc", "open boundaries")):
        if keyword not in deck:
            yield Finding(
                "warning", f"{deck.path}: no keyword {keyword!r}: UppASD takes {consequence}.", "State it, to be clear."
            )


def _boundaries(deck: Deck) -> Iterator[Finding]:
    boundary = geometry_of_deck(deck).boundary if "ncell" in deck else "periodic"
    if boundary != "periodic" and "bc" in deck:
        yield Finding(
            "info",
            f"{deck.where('bc')}: boundaries are {boundary.replace('_', ' along ')}, not periodic.",
            "Energies, charges and defects have no bonds, plaquettes or neighbours across them.",
        )


def _annealing(deck: Deck) -> Iterator[Finding]:
    ip_mode = deck.word("ip_mode", "N").upper()
    if ip_mode.startswith("N"):
        if "ip_mcanneal" in deck:
            yield Finding(
                "warning",
                f"{deck.where('ip_mcanneal')}: 'ip_mcanneal' has no effect, because ip_mode is N.",
                "Set 'ip_mode M' or 'ip_mode H'.",
            )
        return
    initial, measured = deck.floats("ip_hfield", (0.0, 0.0, 0.0)), deck.floats("hfield", (0.0, 0.0, 0.0))
    if initial != measured:
        yield Finding(
            "warning",
            f"{deck.where('ip_hfield')}: the initial phase ran at {initial[2]:g} T, the measurement at "
            f"{measured[2]:g} T: the texture may be that of the other field.",
            "Set ip_hfield and hfield alike.",
        )
    if "ip_mcanneal" in deck and "ip_temp" in deck:
        yield Finding("info", f"{deck.where('ip_temp')}: 'ip_temp' has no effect beside 'ip_mcanneal'.", "Remove it.")


_RULES: tuple[Callable[[Deck], Iterator[Finding]], ...] = (
    _unknown_keywords,
    _stray_rows,
    _repeated_keywords,
    _missing_parameters,
    _boundaries,
    _annealing,
)
