"""Rows of a spin file that have the columns of UppASD, all numbers at once: eight digits are one word of eight bytes.

What is printed as UppASD prints it, which is nearly always so, needs no call of :func:`float` for each number. The
numbers are the same, bit for bit: nine digits are a whole number that float64 holds, and so is the power of ten that it
is divided by, so that the one division rounds as it should. For anything else the answer is None, and the rows are read
one by one, which also tells what is wrong with them.
"""

from __future__ import annotations

import numpy as np

from skylattice.io.problems import fortran_float

_U8 = np.dtype("<u8")
#: One number, `` -8.83198197E-01``: each part as a whole number of its bytes, the first one the lowest.
_FIELD = np.dtype([("sign", "<u2"), ("first", "<u2"), ("digits", "<u8"), ("mark", "<u2"), ("exponent", "<u2")])


def _divisors(sign: int) -> np.ndarray:
    """What to divide nine digits by, for each pair of characters of an exponent: NaN where that would not be exact."""
    table = np.full(1 << 16, np.nan)
    for exponent in range(23):
        power = 8 - sign * exponent
        if 0 <= power < 23:  # float64 holds these powers of ten
            table[int.from_bytes(f"{exponent:02d}".encode(), "little")] = float(10**power)
    return table


_NEGATIVE, _POSITIVE = _divisors(-1), _divisors(+1)


def plain_numbers(raw: bytes, row_bytes: int, starts: tuple[int, ...]) -> np.ndarray | None:
    """Numbers of Fortran's format es16.8, `` -8.83198197E-01``, in columns that start at some bytes of each row.

    Parameters
    ----------
    raw
        Whole rows.
    row_bytes
        Length of each.
    starts
        First byte of each column.

    Returns
    -------
    Shape (rows, columns), float64; None if any is printed in another way, or does not fit the range.

    Examples
    --------
    >>> plain_numbers(b"  1.00000000E+00 -8.83198197E-01\\n", 33, (0, 16))
    array([[ 1.       , -0.8831982]])
    """
    numbers = np.empty((len(starts), len(raw) // row_bytes))
    for value, start in zip(numbers, starts, strict=True):
        # copied together and as bytes without meaning: memory is what takes the time
        field = np.ndarray(len(value), "V16", raw, start, (row_bytes,)).copy().view(_FIELD)
        sign, mark, exponent = field["sign"], field["mark"], field["exponent"]
        digits = _eight_digits(field["digits"])
        first = field["first"] - np.uint16(
            0x2E30
        )  # the digit and the point; what comes before "0" wraps around to large numbers
        is_minus, is_small = sign == 0x2D20, mark == 0x2D45
        is_plain = ((sign == 0x2020) | is_minus) & (first < 10) & (is_small | (mark == 0x2B45))
        if digits is None or not is_plain.all():
            return None
        divisor = (
            _NEGATIVE[exponent] if is_small.all() else np.where(is_small, _NEGATIVE[exponent], _POSITIVE[exponent])
        )
        np.divide(first * 1e8 + digits, divisor, out=value)
        value *= 1.0 - 2.0 * is_minus
        for row in np.flatnonzero(np.isnan(value)):
            begin = int(row) * row_bytes + start
            try:
                value[row] = fortran_float(raw[begin : begin + 16].decode("ascii").strip())
            except ValueError:
                return None
    return np.ascontiguousarray(numbers.T)  # sums over rows round by their layout


def plain_counters(raw: bytes, row_bytes: int, start: int) -> np.ndarray | None:
    """Whole numbers of Fortran's format i8 in a column; None if any is printed in another way.

    Examples
    --------
    >>> plain_counters(b"      12|      13|", 9, 0)
    array([12, 13])
    """
    word = np.ndarray(len(raw) // row_bytes, _U8, raw, start, (row_bytes,)).copy()
    blank = ~word & np.uint64(0x1010101010101010)  # digits have this bit, blanks do not
    if ((blank >> np.uint64(8)) & ~blank).any():  # a blank after a digit
        return None
    filled = np.where(blank, word | np.uint64(0x1010101010101010), word)
    is_blank = (word ^ np.uint64(0x2020202020202020)) & ((blank >> np.uint64(4)) * np.uint64(0xFF))
    digits = _eight_digits(filled)
    return None if digits is None or is_blank.any() else digits.astype(np.int64)


def is_constant(raw: bytes, row_bytes: int, start: int, stop: int) -> bool:
    """Whether a column of bytes is the same in all rows.

    Examples
    --------
    >>> is_constant(b"ab|ac|", 3, 0, 1), is_constant(b"ab|ac|", 3, 0, 2)
    (True, False)
    """
    n_rows, width = len(raw) // row_bytes, stop - start
    kind = f"<u{width}" if width in (1, 2, 4, 8) else f"V{width}"
    column = np.ndarray(n_rows, kind, raw, start, (row_bytes,)).copy()
    return bool((column == column[0]).all())


def _eight_digits(word: np.ndarray) -> np.ndarray | None:
    """The numbers below 1e8 that eight bytes of digits spell; None if some are no digits."""
    high = np.uint64(0xF0F0F0F0F0F0F0F0)
    zeros = np.uint64(0x3030303030303030)
    is_digits = ((word & high) == zeros) & (((word + np.uint64(0x0606060606060606)) & high) == zeros)
    if not is_digits.all():
        return None
    # neighbours join to pairs, pairs to fours, fours to eight; each product holds the sum in its upper half
    word = ((word & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(2561)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    return ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
