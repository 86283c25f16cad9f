import numpy as np
import pytest

from utils.answers.embedding_files import open_embeddings
from utils.errors import SemcoError

NAMES = ("a.png", "ü/b.png", "c.png")
GOOD = np.array([True, False, True])
VALUES = np.arange(4, dtype=np.float32).reshape(2, 2)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_row_per_image_and_nan_where_there_is_none(tmp_path, suffix):
    path = tmp_path / f"e{suffix}"
    with open_embeddings(path, NAMES, 2) as rows:
        rows.write(VALUES[:1], GOOD[:2])
        rows.write(VALUES[1:], GOOD[2:])
    content = np.load(path, allow_pickle=False)
    if suffix == ".npz":
        assert content["files"].tolist() == list(NAMES)
        content = content["embeddings"]
    assert content.shape == (3, 2)
    assert content.dtype == np.float32
    assert np.array_equal(content[GOOD], VALUES)
    assert np.isnan(content[1]).all()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_full_disk_is_one_line(tmp_path, small_disk, suffix):
    small_disk(40)
    with pytest.raises(SemcoError, match="no space left"), open_embeddings(tmp_path / f"e{suffix}", NAMES, 2) as rows:
        rows.write(VALUES, GOOD)
    assert not list(tmp_path.iterdir())
