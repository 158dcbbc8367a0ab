"""Similarities: TF-IDF as scikit-learn has it, exact, sequence, and one's own."""

from difflib import SequenceMatcher

import numpy as np
import pytest
from credit_batches import TEXTS, episode, plain_step, steps_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

import proxmo
from proxmo.credit.similarity import exact, sequence
from proxmo.credit.tfidf import WORDS, WORDS_AND_NUMBERS, tfidf_vectors

WORD = st.text(alphabet="abAB1é我_ ", max_size=4)


def ours(rows, **options):
    """Vectors of every row, by way of the distinct texts and their counts."""
    distinct = list(dict.fromkeys(rows))
    count = np.array([rows.count(text) for text in distinct])
    vectors = tfidf_vectors(distinct, count, **options).toarray()
    return vectors[[distinct.index(text) for text in rows]]


def theirs(rows, **options):
    return np.asarray(TfidfVectorizer(**options).fit_transform(rows).todense())


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(WORD, max_size=6).map(" ".join), min_size=1, max_size=8))
def test_vectors_agree_with_scikit_learn(rows):
    rows = [*rows, "ab", "ab"]  # scikit-learn refuses a batch without a token
    np.testing.assert_allclose(ours(rows), theirs(rows), atol=1e-12)
    np.testing.assert_allclose(
        ours(rows, token_pattern=WORDS_AND_NUMBERS),
        theirs(rows, token_pattern=WORDS_AND_NUMBERS),
        atol=1e-12,
    )


def test_vectors_agree_with_scikit_learn_on_sentences():
    rows = [*TEXTS, *TEXTS[:2], TEXTS[0]]
    np.testing.assert_allclose(ours(rows), theirs(rows), atol=1e-12)


@pytest.mark.parametrize("kept", [1, 5, 40, 1024])
def test_the_same_terms_are_kept_as_by_scikit_learn(kept):
    generator = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(1500)])
    # Many terms are equally frequent: which of them stay is part of the agreement.
    rows = [" ".join(generator.choice(words, size=20)) for _ in range(120)]
    np.testing.assert_allclose(
        ours(rows, max_features=kept), theirs(rows, max_features=kept), atol=1e-12
    )


def test_capturing_groups_choose_the_token_as_in_scikit_learn():
    rows, pattern = ["x:red y:blue", "x:blue", "x:red"], r"x:(\w+)"
    expected = theirs(rows, token_pattern=pattern)
    np.testing.assert_allclose(ours(rows, token_pattern=pattern), expected, atol=1e-12)


def test_default_tokens_do_not_tell_cabinets_apart():
    rows = ["You arrive at cabinet 1.", "You arrive at cabinet 2."]
    same = ours(rows, token_pattern=WORDS)
    apart = ours(rows, token_pattern=WORDS_AND_NUMBERS)
    assert same[0].tolist() == same[1].tolist()
    assert apart[0] @ apart[1] < 0.9


def cabinets():
    rows = episode("g", "a", [10.0], ["You arrive at cabinet 1."], success=True)
    return rows + episode("g", "b", [0.0], ["You arrive at cabinet 2."])


def test_the_token_pattern_decides_whether_cabinets_are_peers():
    steps = steps_of(cabinets())
    alike = proxmo.ProxMO(temperature=1e-3)(steps)
    apart = proxmo.ProxMO(temperature=1e-3, token_pattern=WORDS_AND_NUMBERS)(steps)
    assert alike.step == pytest.approx([5.0, -5.0])
    assert apart.step == pytest.approx([0.0, 0.0])


def test_exact_is_one_for_the_same_text_only():
    block = exact(["a", "b", "c"], np.ones(3, int))(np.array([0, 1]), np.array([0, 1, 2]))
    assert block.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_sequence_is_the_difflib_ratio():
    rows = np.arange(len(TEXTS))
    block = sequence(TEXTS, np.ones(len(TEXTS), int))(rows, rows)
    expected = [[SequenceMatcher(None, a, b).ratio() for b in TEXTS] for a in TEXTS]
    assert block.tolist() == expected


def words(texts):
    """A bag of words over a fixed vocabulary: somebody's own embedding."""
    vocabulary = sorted({word for text in TEXTS for word in text.lower().split()})
    return np.array([[text.lower().split().count(word) for word in vocabulary] for text in texts])


def some_steps():
    rows = episode("g", "a", [0.0, 0.0, 10.0], TEXTS[:3], success=True)
    return steps_of(rows + episode("g", "b", [0.0, 0.0], [TEXTS[0], TEXTS[4]]))


def test_an_embedding_is_asked_once_for_the_distinct_texts():
    asked = []

    def embed(texts):
        asked.append(texts)
        return words(texts)

    proxmo.ProxMO(similarity=embed)(some_steps())
    assert asked == [[TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[4]]]


def test_an_embedding_is_compared_by_cosine():
    steps, tau = some_steps(), 0.3
    vectors = words(steps.observation).astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.exp(vectors @ vectors.T / tau)
    weights /= weights.sum(axis=1, keepdims=True)
    returns = np.array([10 * 0.95**2, 9.5, 10.0, 0.0, 0.0])
    result = proxmo.ProxMO(similarity=words, temperature=tau)(steps)
    assert result.step == pytest.approx(returns - weights @ returns)


def test_embeddings_may_be_sparse_or_of_any_length():
    dense = proxmo.ProxMO(similarity=words)(some_steps())
    sparse = proxmo.ProxMO(similarity=lambda texts: csr_matrix(words(texts)))(some_steps())
    scaled = proxmo.ProxMO(similarity=lambda texts: 100.0 * words(texts))(some_steps())
    assert sparse.step == pytest.approx(dense.step)
    assert scaled.step == pytest.approx(dense.step)


def test_a_vectorizer_of_scikit_learn_gives_the_default_when_every_text_is_seen_once():
    rows = episode("g", "a", [0.0, 0.0, 10.0], TEXTS[:3], success=True)
    fit = TfidfVectorizer().fit_transform
    result = proxmo.ProxMO(similarity=fit)(steps_of(rows))
    assert result.step == pytest.approx(proxmo.ProxMO()(steps_of(rows)).step)
    assert result.step == pytest.approx(plain_step(rows, 0.95, 0.1, 0.1))


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda texts: np.ones((1, 3)), "shape (1, 3) for 4 texts; return one row per text"),
        (lambda texts: np.ones(len(texts)), "shape (4,) for 4 texts"),
        (lambda texts: [["x"]] * len(texts), "no matrix of numbers"),
        (
            lambda texts: np.diag([1.0, np.nan, 1.0, 1.0]),
            f"NaN or infinity for the text '{TEXTS[1]}",
        ),
    ],
    ids=["rows", "one dimension", "words", "nan"],
)
def test_an_embedding_that_gives_no_vectors_is_refused(embed, message):
    with pytest.raises(proxmo.InputError) as caught:
        proxmo.ProxMO(similarity=embed)(some_steps())
    assert message in str(caught.value)
