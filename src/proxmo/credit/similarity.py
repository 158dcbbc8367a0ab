"""Similarity of observation texts: a seam of its own.

A `Similarity` is fitted on the distinct texts of a batch and answers with a `Kernel`,
which gives the dense block of similarities between any texts and any others. To add one,
write a function of that shape, or bring an embedding: a function from texts to vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse import csr_matrix, issparse

from proxmo.credit.steps import Floats, Ints
from proxmo.credit.tfidf import normalize_rows, tfidf_vectors
from proxmo.errors import InputError

Kernel = Callable[[Ints, Ints], Floats]
"""(rows (A,), columns (B,)), both indices of distinct texts -> similarities (A, B)."""
Similarity = Callable[[Sequence[str], Ints], Kernel]
"""(distinct texts, in how many rows of the batch each occurs) -> Kernel."""
Embedding = Callable[[list[str]], Any]
"""(distinct texts) -> vectors, one row per text: an array (texts, d) or a sparse matrix."""
SimilarityName = Literal["tfidf", "exact", "sequence"]


def exact(texts: Sequence[str], count: Ints) -> Kernel:
    """1 for the same text, 0 for any other."""
    return lambda rows, columns: (rows[:, None] == columns[None, :]).astype(np.float64)


def sequence(texts: Sequence[str], count: Ints) -> Kernel:
    """Ratio of matching characters by `difflib.SequenceMatcher`; slow, milliseconds a pair."""
    known: dict[tuple[int, int], float] = {}
    matcher = SequenceMatcher(None)

    def kernel(rows: Ints, columns: Ints) -> Floats:
        block = np.empty((len(rows), len(columns)))
        for j, column in enumerate(columns.tolist()):
            matcher.set_seq2(texts[column])
            for i, row in enumerate(rows.tolist()):
                if (row, column) not in known:
                    matcher.set_seq1(texts[row])
                    known[row, column] = matcher.ratio()
                block[i, j] = known[row, column]
        return block

    return kernel


def tfidf(texts: Sequence[str], count: Ints, *, token_pattern: str, max_features: int) -> Kernel:
    """Cosine of TF-IDF vectors; 0 to everything, itself included, for a text with no token."""
    return cosine_kernel(tfidf_vectors(texts, count, token_pattern, max_features))


def embedding(texts: Sequence[str], count: Ints, *, embed: Embedding) -> Kernel:
    """Cosine of the vectors that `embed` gives, once for all distinct texts of the batch."""
    given = embed(list(texts))
    try:
        vectors = csr_matrix(given if issparse(given) else np.asarray(given), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"similarity function gave no matrix of numbers ({error}); return one row per text"
        ) from None
    if np.shape(given)[:1] != (len(texts),) or len(np.shape(given)) != 2:
        raise InputError(
            f"similarity function gave an array of shape {np.shape(given)} for {len(texts)} "
            "texts; return one row per text"
        )
    if not np.isfinite(vectors.data).all():
        row = int(np.searchsorted(vectors.indptr, np.isfinite(vectors.data).argmin(), "right")) - 1
        raise InputError(
            f"similarity function gave NaN or infinity for the text {texts[row]!r}; "
            "return finite numbers"
        )
    unit = normalize_rows(vectors)
    return cosine_kernel(unit if issparse(given) else unit.toarray())


def cosine_kernel(vectors: csr_matrix | Floats) -> Kernel:
    """Dot products of the (already normalised) vectors of the texts."""

    if isinstance(vectors, np.ndarray):
        return lambda rows, columns: vectors[rows] @ vectors[columns].T
    # One side dense: a product of two small sparse matrices is mostly bookkeeping.
    return lambda rows, columns: vectors[rows] @ vectors[columns].T.toarray()


def similarity_from(
    similarity: SimilarityName | Embedding, *, token_pattern: str, max_features: int
) -> Similarity:
    """The similarity of a name, or of a user's function from texts to vectors."""
    if callable(similarity):
        return partial(embedding, embed=similarity)
    if similarity == "exact":
        return exact
    if similarity == "sequence":
        return sequence
    if similarity == "tfidf":
        return partial(tfidf, token_pattern=token_pattern, max_features=max_features)
    names = ", ".join(repr(name) for name in get_args(SimilarityName))
    raise InputError(
        f"similarity is {similarity!r}; choose one of {names}, or a function from texts to vectors"
    )
