"""Building a `SearchIndex`: documents in, one pass, sorted lists out."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxmo.envs.webshop.search.analyzer import analyze
from proxmo.envs.webshop.search.lengths import length_factors
from proxmo.envs.webshop.store import encode, load_array, save_array, write_keys

_CHUNK = 1 << 22
"""Terms that are sorted at a time while an index is built."""


class IndexWriter:
    """Builds a `SearchIndex` in a folder, document by document."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self._lengths = array("I")
        self._terms = array("I")
        self._waiting = 0  # first document of the chunk that is being gathered
        self._chunks = 0

    def add(self, text: str) -> None:
        """Add the next document."""
        numbers = self._numbers
        terms = analyze(text)
        self._terms.extend([numbers[term] for term in terms])
        self._lengths.append(len(terms))
        if len(self._terms) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        """Write the (term, document, occurrences) of a chunk, sorted, to files of its own."""
        lengths = np.frombuffer(self._lengths, np.uint32)[self._waiting :]
        documents = np.repeat(np.arange(len(lengths)), lengths) + self._waiting
        terms = np.frombuffer(self._terms, np.uint32).astype(np.int64)
        keys, occurrences = np.unique(terms << 32 | documents, return_counts=True)
        chunk = np.stack([keys >> 32, keys & 0xFFFFFFFF, occurrences]).astype(np.int32)
        save_array(self._folder, f"chunk{self._chunks}", chunk)
        del lengths, terms  # they look into the arrays that grow
        self._waiting = len(self._lengths)
        self._terms = array("I")
        self._chunks += 1

    def _read_chunks(self) -> Iterator[NDArray[np.int32]]:
        for number in range(self._chunks):
            yield load_array(self._folder, f"chunk{number}")

    def close(self) -> None:
        """Write the index: chunks are merged term by term."""
        self._flush()
        frequencies = np.zeros(len(self._numbers), np.int64)
        for terms, _, _ in self._read_chunks():
            frequencies += np.bincount(terms, minlength=len(frequencies))
        keys = {encode(term): number for term, number in self._numbers.items()}
        ordered = sorted(keys)
        old = np.array([keys[key] for key in ordered], np.int64)  # sorted place -> number
        starts = np.concatenate([[0], np.cumsum(frequencies[old])])
        following = np.empty(len(old), np.int64)  # number -> where its next posting goes
        following[old] = starts[:-1]
        lengths = np.frombuffer(self._lengths, np.uint32)
        save_array(self._folder, "terms.total", np.array([np.count_nonzero(lengths)]))
        factors = length_factors(lengths)
        total = max(int(starts[-1]), 1)  # a mapped array cannot be empty
        documents = _new_array(self._folder, "terms.documents", np.int32, total)
        saturations = _new_array(self._folder, "terms.saturations", np.float32, total)
        for terms, of, occurrences in self._read_chunks():
            places = following[terms] + _ranks(terms)
            documents[places] = of
            saturations[places] = occurrences.astype(np.float32) * factors[of]
            following += np.bincount(terms, minlength=len(following))
        documents.flush()
        saturations.flush()
        write_keys(self._folder, "terms", ordered)
        save_array(self._folder, "terms.starts", starts.astype(np.int64))
        peaks = np.maximum.reduceat(saturations, starts[:-1]) if len(old) else np.empty(0)
        save_array(self._folder, "terms.peaks", np.asarray(peaks, np.float32))
        for number in range(self._chunks):
            (self._folder / f"chunk{number}.npy").unlink()


def _new_array(folder: Path, name: str, dtype: type, length: int) -> np.memmap:
    return np.lib.format.open_memmap(
        folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(length,)
    )


def _ranks(values: NDArray[np.int32]) -> NDArray[np.int64]:
    """The place of each of sorted values among those equal to it: 0, 1, 2, ..."""
    places = np.arange(len(values))
    firsts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return places - np.repeat(firsts, np.diff(np.append(firsts, len(values))))
