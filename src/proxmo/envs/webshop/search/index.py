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
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxmo.envs.webshop.search.analyzer import analyze
from proxmo.envs.webshop.store import Postings, load_array

_MARGIN = 1e-6
"""Relative; more than what rounding to 32 bits can change."""


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
