"""Which columns of a table hold the images and their labels: by type, and by what `datasets` wrote into the schema."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from utils.errors import SemcoError, first_ten

# In bytes: the names of a hundred thousand classes.
_LARGEST_METADATA = 2**24
_USUAL_LABELS = frozenset({"label", "labels", "class", "classes", "class_name", "category", "target"})


@dataclass(frozen=True)
class Columns:
    """The columns to read; `class_names`: names of the labels 0, 1, ..., None where the schema has none."""

    image: str
    is_struct: bool
    label: str | None
    class_names: tuple[str, ...] | None

    @property
    def projection(self) -> list[str]:
        """The columns of a parquet file to read: of a struct, the bytes alone."""
        return [f"{self.image}.bytes" if self.is_struct else self.image, *([self.label] if self.label else [])]


def find_columns(schema: pa.Schema, path: Path, *, image: str | None, label: str | None) -> Columns:
    """Choose the columns of images and labels.

    Args:
        image, label: names that the user gave, if any.

    Raises:
        SemcoError: there is no image column, several could be meant, or the one that is named is of another type.
    """
    types = {field.name: field.type for field in schema}
    if len(types) != len(schema.names):
        raise SemcoError(f"{path} has two columns of one name: {first_ten(schema.names)}")
    features = _features(schema, path)
    image = _find_image(types, features, path, image)
    label = _find_label({name: kind for name, kind in types.items() if name != image}, features, path, label)
    return Columns(image, pa.types.is_struct(types[image]), label, _class_names(features, label, path))


def _features(schema: pa.Schema, path: Path) -> Mapping[str, Mapping[str, object]]:
    """Return what `datasets` says of each column: name -> its description; empty for tables that others wrote."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    if len(text) > _LARGEST_METADATA:
        raise SemcoError(f"{path} has {len(text):,} bytes of metadata, expected at most {_LARGEST_METADATA:,}")
    try:
        found = json.loads(text)["info"]["features"] if text != b"{}" else {}
        return {name: kind for name, kind in found.items() if isinstance(kind, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SemcoError(f"{path} has damaged metadata (huggingface): write it again with datasets") from error


def _find_image(
    types: Mapping[str, pa.DataType], features: Mapping[str, Mapping[str, object]], path: Path, given: str | None
) -> str:
    structs = [name for name, kind in types.items() if _is_struct_of_bytes(kind)]
    plain = [name for name, kind in types.items() if _is_bytes(kind)]
    if given is not None:
        if given not in types:
            raise SemcoError(
                f"{path} lacks the column {given!r} (it has {first_ten(list(types))}): check --image-column"
            )
        if given not in structs + plain:
            raise SemcoError(
                f"{path}: the column {given!r} is of type {str(types[given])[:100]}, expected bytes, or bytes and path: "
                "check --image-column"
            )
        return given
    marked = [name for name in structs + plain if features.get(name, {}).get("_type") == "Image"]
    # A column that says that it is something else, such as audio, is none.
    silent = [[name for name in names if name not in features] for names in (structs, plain)]
    found = next((names for names in (marked, *silent) if names), [])
    if not found:
        raise SemcoError(
            f"{path} has no image column (it has {first_ten(list(types))}): expected one of bytes and path, "
            "or one named by --image-column"
        )
    return _only(found, path, what="images", flag="--image-column")


def _find_label(
    types: Mapping[str, pa.DataType], features: Mapping[str, Mapping[str, object]], path: Path, given: str | None
) -> str | None:
    if given is not None:
        if given not in types:
            raise SemcoError(
                f"{path} lacks the column {given!r} (it has {first_ten(list(types))}): check --label-column"
            )
        if not (_is_text(types[given]) or pa.types.is_integer(types[given])):
            raise SemcoError(
                f"{path}: the column {given!r} is of type {str(types[given])[:100]}, expected numbers or text: "
                "check --label-column"
            )
        return given
    fit = [name for name, kind in types.items() if _is_text(kind) or pa.types.is_integer(kind)]
    marked = [name for name in fit if features.get(name, {}).get("_type") == "ClassLabel"]
    usual = [name for name in fit if name.lower() in _USUAL_LABELS]
    texts = [name for name in fit if _is_text(types[name])]
    found = next((names for names in (marked, usual, texts) if names), [])
    return _only(found, path, what="labels", flag="--label-column") if found else None


def _only(found: Sequence[str], path: Path, *, what: str, flag: str) -> str:
    if len(found) > 1:
        raise SemcoError(
            f"{path} has several columns that may hold the {what}: {first_ten(found)}; name one with {flag}"
        )
    return found[0]


def _class_names(features: Mapping[str, Mapping[str, object]], label: str | None, path: Path) -> tuple[str, ...] | None:
    kind = features.get(label, {}) if label else {}
    if kind.get("_type") != "ClassLabel":
        return None
    names = kind.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SemcoError(f"{path} has no list of names for the column {label!r} in its metadata: write it again")
    return tuple(names)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_struct_of_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
