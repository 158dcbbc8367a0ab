"""The length of a document as Lucene keeps it, in one byte, and what it does to a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

K1, B = np.float32(0.9), np.float32(0.4)
"""Anserini's defaults, with which WebShop searches."""


def length_factors(lengths: NDArray[np.uint32]) -> NDArray[np.float32]:
    """c_d of each document, from its number of terms."""
    # Lucene counts only documents that have a term.
    mean = np.float32(lengths.sum(dtype=np.int64) / max(np.count_nonzero(lengths), 1))
    if mean == 0:
        return np.ones(len(lengths), np.float32)
    one = np.float32(1)
    kept = np.array([_kept_length(n) for n in range(256)], np.float32)
    factors = one / (K1 * ((one - B) + B * kept / mean))
    return factors[[_length_byte(int(length)) for length in lengths]]


_EXACT = 24
"""Lengths below this are kept as they are."""


def _length_byte(length: int) -> int:
    """Lucene's SmallFloat.intToByte4: a length with four significant bits."""
    if length < _EXACT:
        return length
    length -= _EXACT
    shift = max(length.bit_length() - 4, -1)
    return _EXACT + (length if shift < 0 else length >> shift & 7 | shift + 1 << 3)


def _kept_length(byte: int) -> int:
    """The length that a byte stands for (SmallFloat.byte4ToInt)."""
    if byte < _EXACT:
        return byte
    bits, shift = (byte - _EXACT) & 7, ((byte - _EXACT) >> 3) - 1
    return _EXACT + (bits if shift < 0 else (bits | 8) << shift)
