"""Full-text search that ranks as Lucene does: BM25 over one field.

The score of a document for a query is, over the query's terms,

    sum_t  w_t * (1 - 1 / (1 + f_td * c_d)),      w_t = n_t * ln(1 + (N - N_t + 1/2) / (N_t + 1/2))
    c_d = 1 / (k1 * (1 - b + b * l_d / mean(l)))

with f_td the occurrences of t in d, n_t those in the query, N documents of which N_t have t,
and l_d the length of d in terms, kept in one byte. In 32-bit floating point, in Lucene's order
of operations; a document's terms are summed in 64 bits. k1 = 0.9 and b = 0.4 are Anserini's
defaults, with which WebShop searches; equal scores are ordered by product identifier.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxmo.envs.webshop.analyzer import analyze
from proxmo.envs.webshop.store import Postings, encode, load_array, save_array, write_keys

K1, B = np.float32(0.9), np.float32(0.4)
_CHUNK = 1 << 22
"""Terms that are sorted at a time while an index is built."""
_MARGIN = 1e-6
"""Relative; more than what rounding to 32 bits can change."""


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


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of a query, and its documents."""

    weight: np.float32
    bound: float
    """The most that it can add to a score."""
    documents: NDArray[np.int32]
    saturations: NDArray[np.float32]
    """f_td * c_d of each document."""

    def scores(self, at: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        return self.weight - self.weight / (np.float32(1) + self.saturations[at])


class SearchIndex:
    """A built index. Safe to read from several threads."""

    def __init__(self, folder: Path, num_documents: int, ranks: NDArray[np.int32]):
        self._size = num_documents
        self._ranks = ranks  # document -> its place among equal scores
        self._total = int(load_array(folder, "terms.total")[0])  # documents that have a term
        self._postings = Postings(folder, "terms")
        self._saturations: NDArray[np.float32] = load_array(folder, "terms.saturations")
        self._peaks: NDArray[np.float32] = load_array(folder, "terms.peaks")
        self._term = lru_cache(maxsize=1 << 14)(self._read)

    def top(self, query: str, limit: int) -> list[int]:
        """The `limit` best documents, best first; only such as have a term of the query."""
        terms = self._terms(query)
        if not terms:
            return []
        candidates, scores = self._candidates(terms, limit)
        scores = scores.astype(np.float32)
        if len(scores) > limit:
            kept = scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit]
            candidates, scores = candidates[kept], scores[kept]
        order = np.lexsort((self._ranks[candidates], -scores))[:limit]
        return candidates[order].tolist()

    def _terms(self, query: str) -> list[_Term]:
        """The query's terms that occur, the weightiest first."""
        counted = Counter(analyze(query)).items()
        found = [self._term(term, times) for term, times in counted]
        return sorted(filter(None, found), key=lambda term: -term.bound)

    def _read(self, term: str, times: int) -> _Term | None:
        """A term that stands `times` times in a query; None if no document has it."""
        number = self._postings.find(term)
        if number is None:
            return None
        start, end = self._postings.starts[number : number + 2].tolist()
        idf = math.log(1 + (self._total - (end - start) + 0.5) / (end - start + 0.5))
        weight = np.float32(times) * np.float32(idf)
        bound = float(weight - weight / (np.float32(1) + self._peaks[number]))
        documents = self._postings.documents[start:end]
        return _Term(weight, bound, documents, self._saturations[start:end])

    def _candidates(
        self, terms: list[_Term], limit: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Documents and their scores, among them the best `limit`.

        Terms are added up from the weightiest, over all documents, until the rest together
        could not lift a document that has only them among the best. From there on only the
        documents that can still be among the best are looked at.
        """
        scores = np.zeros(self._size)
        rest = sum(term.bound for term in terms)
        added, floor = 0, 0.0
        for term in terms:
            if added and rest < floor * (1 - _MARGIN):
                break
            scores[term.documents] += term.scores()
            rest -= term.bound
            added += 1
            if len(term.documents) >= limit:  # the best of any documents bound the best of all
                floor = max(floor, _nth_best(scores[term.documents], limit))
        candidates = np.flatnonzero(scores > max((floor * (1 - _MARGIN)) - rest, 0.0))
        kept = scores[candidates]
        for term in terms[added:]:
            places = np.searchsorted(term.documents, candidates)
            places[places == len(term.documents)] = 0
            has = term.documents[places] == candidates
            kept[has] += term.scores(places[has])
            rest -= term.bound
            floor = max(floor, _nth_best(kept, limit))
            possible = kept + rest >= floor * (1 - _MARGIN)
            candidates, kept = candidates[possible], kept[possible]
        return candidates, kept


def _nth_best(scores: NDArray[np.float64], n: int) -> float:
    if len(scores) < n:
        return 0.0
    return float(np.partition(scores, len(scores) - n)[len(scores) - n])
