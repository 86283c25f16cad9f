"""Files that hold word vectors, or did once, in a form that is not read here: named as what they are."""

import codecs
from pathlib import Path

from utils.errors import SemcoError
from utils.words.text import read_header

_TO_TEXT = "save them as text or as a pickled dict from term to vector"
_UNPACK = "unpack it and name the file inside"
# First bytes -> what the file is, and what to do about it.
_SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"PK\x03\x04": ("a zip archive", _UNPACK),
    b"PK\x05\x06": ("an empty zip archive", "fetch the file again"),
    b"BZh": ("compressed with bzip2", "unpack it with bunzip2"),
    b"\xfd7zXZ\x00": ("compressed with xz", "unpack it with unxz"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it with unzstd"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", _TO_TEXT),
    b"\x93NUMPY": ("a NumPy array, which has no terms", _TO_TEXT),
    b"PAR1": ("a parquet file", _TO_TEXT),
    b"ARROW1": ("a feather file", _TO_TEXT),
    b"SQLite format 3\x00": ("an SQLite database", _TO_TEXT),
    b"\xba\x16\x4f\x2f": ("fastText's binary format", "take its .vec file, which is text"),
    b"\xff\xfe": ("text in UTF-16", "save it in UTF-8"),
    b"\xfe\xff": ("text in UTF-16", "save it in UTF-8"),
    b"<!DOCTYPE": ("a web page", "fetch the file itself"),
    b"<html": ("a web page", "fetch the file itself"),
}
_WORD2VEC = (
    "word2vec's binary format",
    "convert it to text, with gensim: KeyedVectors.load_word2vec_format(IN, binary=True).save_word2vec_format(OUT)",
)


def check_not_foreign(path: Path, head: bytes) -> None:
    """Refuse a file whose first 64 bytes say that it is no text, pickle or CSV.

    Raises:
        SemcoError: what it is, and how to make a readable file of it.
    """
    for signature, (kind, advice) in _SIGNATURES.items():
        if head.startswith(signature):
            raise SemcoError(f"word vectors {path} are {kind}: {advice}")
    first, found, rest = head.partition(b"\n")
    if found and read_header(first) and not _is_text(rest):
        kind, advice = _WORD2VEC
        raise SemcoError(f"word vectors {path} are in {kind}: {advice}")


def _is_text(content: bytes) -> bool:
    """True for UTF-8 without control characters; its last character may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return not any(char < " " and char not in "\t\n\r" for char in text)
