"""The two commands of `python -m utils.labels`."""

import subprocess
import sys

import numpy as np
import pytest

from tests.support.project import ROOT
from utils.files.pickles import dump_pickle
from utils.labels.__main__ import main
from utils.words.word_vectors import open_word_vectors

TERMS = ("apple", "hen", "tree", "fish", "golf_cart")


@pytest.fixture
def vectors(tmp_path):
    rows = np.random.default_rng(0).normal(size=(len(TERMS), 5)).astype(np.float32)
    dump_pickle(tmp_path / "in.pkl", dict(zip(TERMS, rows, strict=True)))
    return tmp_path / "in.pkl"


def _match(tmp_path, vectors, names, *flags):
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    return main(["match", "--classes", str(tmp_path / "names.txt"), "--word-vec-path", str(vectors), *flags])


def test_convert(tmp_path, vectors, capsys):
    assert main(["convert", str(vectors), str(tmp_path / "out.txt"), "--dim", "2"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 5 principal components explain " in shown
    assert "5 terms of 2 dimensions" in shown
    assert open_word_vectors(tmp_path / "out.txt").dim == 2


def test_convert_some_terms(tmp_path, vectors, capsys):
    (tmp_path / "terms.txt").write_text("hen\n\nxyz\nfish\nhen\n")
    flags = ["--terms", str(tmp_path / "terms.txt"), "--format", "glove"]
    assert main(["convert", str(vectors), str(tmp_path / "out.txt"), *flags]) == 0
    assert "1 of 3 terms have no vector: 'xyz'" in capsys.readouterr().err
    assert open_word_vectors(tmp_path / "out.txt").terms == ["hen", "fish"]


def test_match(tmp_path, vectors, capsys):
    assert _match(tmp_path, vectors, ["red apple", "hen", "golfcart"], "--eps", "0") == 0
    shown = capsys.readouterr().out
    assert "3 classes in 3 groups" in shown
    assert "golfcart" in shown
    assert "edit1" in shown


def test_every_unmatched_name_is_shown(tmp_path, vectors, capsys):
    assert _match(tmp_path, vectors, ["hen", "golfing carte", "xyzzy"]) == 2
    shown = capsys.readouterr()
    assert "1 classes in 1 groups" in shown.out
    assert "no term: golfing carte; nearest: golf_cart" in shown.out
    assert "no term: xyzzy; nearest: " in shown.out
    assert shown.err.count("error: 2 of 3 class names match no word vector") == 1
    (tmp_path / "terms.csv").write_text("golfing carte,golf_cart\nxyzzy,hen\n")
    flags = ["--label-terms", str(tmp_path / "terms.csv")]
    assert _match(tmp_path, vectors, ["hen", "golfing carte", "xyzzy"], *flags) == 0
    assert "share the term 'hen'" in capsys.readouterr().err


def test_no_name_matches(tmp_path, vectors, capsys):
    assert _match(tmp_path, vectors, ["qqqqq", "xyzzy"]) == 2
    assert "error: 2 of 2 class names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["convret"], "convret"),
        (["convert", "IN"], "OUT"),
        (["convert", "gone.txt", "out.pkl"], "gone.txt do not exist"),
        (["convert", "IN", "out.xyz"], "let it end in one of"),
        (["convert", "IN", "out.pkl", "--dim", "0"], "whole number from 1"),
        (["convert", "IN", "out.pkl", "--dim", "6"], "ask for fewer"),
        (["convert", "IN", "out.pkl", "--format", "npz"], "npz"),
        (["convert", "IN", "out.pkl", "--terms", "gone.txt"], "cannot read gone.txt"),
        (["convert", "IN", "out.pkl", "--dims", "3"], "unknown flag --dims, did you mean --dim?"),
        (["match", "--classes", "gone.txt", "--word-vec-path", "IN"], "cannot read gone.txt"),
        (["match", "--word-vec-path", "IN"], "--classes"),
        (["match", "--classes", "IN", "--word-vec-path", "IN"], "expected a list of class names"),
        (["match", "--classes", "IN", "--word-vec-path", "IN", "--eps", "3"], "--eps is 3"),
    ],
)
def test_mistakes(tmp_path, vectors, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(vectors) if word == "IN" else word for word in arguments]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert words in shown
    assert shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.pkl"]


def test_word_vectors_are_required(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SEMCO_WV_PATH", raising=False)
    assert main(["match", "--classes", "names.txt"]) == 2
    assert "SEMCO_WV_PATH" in capsys.readouterr().err


def test_the_module_can_be_run(tmp_path, vectors):
    done = subprocess.run(
        [sys.executable, "-m", "utils.labels.__main__", "convert", str(vectors), str(tmp_path / "out.csv")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert open_word_vectors(tmp_path / "out.csv").terms == list(TERMS)


def test_groups_at_several_radii_and_doubtful_matches(tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    rows[1] = rows[0] + 0.01
    dump_pickle(tmp_path / "many.pkl", {f"word{place}": row for place, row in enumerate(rows)})
    assert _match(tmp_path, tmp_path / "many.pkl", [f"word{place}" for place in range(12)]) == 0
    lines = capsys.readouterr().out.splitlines()
    used = next(line for line in lines if line.endswith("in use"))
    assert used.split()[:5] == ["0.15", "11", "1", "2", "2"]
    (fitted,) = [line for line in lines if "the largest without a group of over 15%" in line]
    assert float(fitted.split()[0]) > 0.15
    pairs = lines[lines.index("most similar classes (cosine):") + 1 :]
    assert pairs[0].split() == ["word0", "word1", "1.00"]
    assert sum("word" in line for line in pairs[pairs.index(next(line for line in pairs if "far from" in line)) :]) == 3


def test_shared_terms(tmp_path, vectors, capsys):
    assert _match(tmp_path, vectors, ["apple tree", "fish tree"]) == 0
    assert "apple + tree" in capsys.readouterr().out
    assert _match(tmp_path, vectors, ["apple tree", "fish tree"], "--shared-terms", "keep") == 0
    assert "share the term 'tree'" in capsys.readouterr().err


def test_an_embedder_instead_of_word_vectors(tmp_path, vectors, capsys, monkeypatch):
    monkeypatch.setattr("utils.labels.semantics.embed_texts", lambda spec, texts: np.eye(len(texts), dtype=np.float32))
    assert _match(tmp_path, vectors, ["cat", "dog"], "--label-embedder", "sentence-transformers:x") == 0
    shown = capsys.readouterr().out
    assert "embedder" in shown
    assert "vectors less their mean" in shown
    monkeypatch.undo()
    assert _match(tmp_path, vectors, ["cat", "dog"], "--label-embedder", "glove:x") == 2
    assert "expected sentence-transformers:MODEL" in capsys.readouterr().err
