"""A pickle is looked through before it is read: plain data pass, whatever could hang or crash a reader does not."""

import contextlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.files.opcodes import UnfitPickleError, walk_pickle

_KEYS = st.one_of(st.text(max_size=10), st.integers(-(2**63), 2**63 - 1), st.booleans())
_PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(_KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(_PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_pass(value, protocol):
    data = pickle.dumps(value, protocol=protocol)
    assert walk_pickle(data) == len(data)
    assert walk_pickle(b"head" + data, 4) == len(data) + 4


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_pass(protocol):
    data = pickle.dumps({"a": np.arange(5.0), "b": np.float32(2)}, protocol=protocol)
    assert walk_pickle(data) == len(data)


def test_depth_is_bounded():
    value = []
    for _ in range(200):
        value = [value]
    with pytest.raises(UnfitPickleError, match="levels deep"):
        walk_pickle(pickle.dumps(value))


@pytest.mark.parametrize("value", [{(1, 2): 3}, {frozenset({1}): 2}, {10**30: 1}, {(1, 2)}, {1: {(): 2}}])
def test_keys_are_text_or_ordinary_numbers(value):
    with pytest.raises(UnfitPickleError, match="a key in it"):
        walk_pickle(pickle.dumps(value))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_one_of_four_ways(data):
    with contextlib.suppress(UnfitPickleError, IndexError, KeyError, ValueError):
        walk_pickle(data)


def test_the_longest_ordinary_number_is_a_key_in_every_protocol():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        walk_pickle(pickle.dumps({-(2**63): 1, 2**63 - 1: 2}, protocol=protocol))
