"""TF-IDF vectors of distinct texts, equal to scikit-learn's over all rows of the batch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy.sparse import csr_matrix, diags_array

from proxmo.credit.steps import Ints
from proxmo.errors import InputError

WORDS = r"(?u)\b\w\w+\b"
"""scikit-learn's tokens: two or more word characters, so "cabinet 1" is "cabinet"."""
WORDS_AND_NUMBERS = r"(?u)\b\w+\b"
"""Also one-character words, so that "cabinet 1" and "cabinet 2" differ."""


def term_counts(texts: Sequence[str], token_pattern: str) -> csr_matrix:
    """How often each term occurs in each text, (texts, terms), terms in alphabetical order."""
    tokens = compile_tokens(token_pattern).findall
    found = [tokens(text.lower()) for text in texts]
    ends = np.cumsum([0, *map(len, found)])
    place = {term: i for i, term in enumerate(sorted(set(chain.from_iterable(found))))}
    terms = np.fromiter(map(place.__getitem__, chain.from_iterable(found)), np.intp, ends[-1])
    shape = (len(texts), len(place))
    counts = csr_matrix((np.ones(len(terms)), terms, ends), shape=shape)
    counts.sum_duplicates()
    return counts


def tfidf_vectors(
    texts: Sequence[str], count: Ints, token_pattern: str = WORDS, max_features: int = 1024
) -> csr_matrix:
    """L2-normalised TF-IDF with smoothed idf: phi = tf * (ln((1 + n) / (1 + df)) + 1) / norm.

    `texts` are distinct, `count` (texts,) says in how many rows of the batch each occurs;
    n and df count rows. Of more than `max_features` terms the most frequent are kept.
    Equal to `TfidfVectorizer(max_features=...)` fitted on every row, without the rows.
    A text without a kept term has the zero vector.
    """
    counts = term_counts(texts, token_pattern)
    frequency = (count @ counts).astype(np.int64)
    if len(frequency) > max_features:
        # scikit-learn's own expression, on integers as there: the sort decides between ties.
        kept = np.argsort(-frequency)[:max_features]
        counts = counts[:, np.sort(kept)]
    present = counts.copy()
    present.data[:] = 1.0
    idf = np.log((1 + count.sum()) / (1 + count @ present)) + 1
    counts.data *= idf[counts.indices]
    return normalize_rows(counts)


def normalize_rows(vectors: csr_matrix) -> csr_matrix:
    """Divide every row by its L2 norm; a row of zeros stays."""
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return csr_matrix(diags_array(1 / np.where(norms > 0, norms, 1.0)) @ vectors)


def compile_tokens(token_pattern: str) -> re.Pattern[str]:
    """Compile a token pattern, or say what is wrong with it."""
    try:
        pattern = re.compile(token_pattern)
    except (re.error, TypeError) as error:
        raise InputError(
            f"token_pattern is {token_pattern!r}, no regular expression ({error}); "
            f"the default is {WORDS!r}, and {WORDS_AND_NUMBERS!r} keeps one-character words"
        ) from None
    if pattern.groups > 1:
        raise InputError(
            f"token_pattern {token_pattern!r} has {pattern.groups} capturing groups; "
            "use at most one, (?:...) groups without capturing"
        )
    return pattern
