"""Rows become blocks, in order; bad vectors are named."""

from pathlib import Path

import numpy as np
import pytest

from utils.errors import SemcoError
from utils.words.blocks import check_vectors, gather_blocks


def test_blocks():
    rows = [(str(place), np.full(3, place, dtype=np.float32)) for place in range(10_000)]
    blocks = list(gather_blocks(rows))
    assert len(blocks) > 2
    assert [term for block in blocks for term in block.terms] == [term for term, _ in rows]
    np.testing.assert_array_equal(np.concatenate([block.vectors for block in blocks])[:, 0], np.arange(10_000))
    assert sum(map(len, blocks)) == 10_000
    assert list(gather_blocks([])) == []


@pytest.mark.parametrize(
    ("vector", "words"), [([np.nan, 1], "not finite"), ([np.inf, 1], "not finite"), ([0, 0], "zero")]
)
def test_bad_vectors(vector, words):
    vectors = np.array([[1, 2], vector], dtype=np.float32)
    with pytest.raises(SemcoError, match=f"some.txt: the vector of 'b' is {words}"):
        check_vectors(vectors, ["a", "b"], Path("some.txt"))
    assert check_vectors(vectors[:1], ["a"], Path("some.txt")).shape == (1, 2)
