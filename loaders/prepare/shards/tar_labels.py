"""The label of a WebDataset sample: the text of its `.cls`, or a field of its `.json`."""

import json
from collections.abc import Mapping

from utils.errors import SemcoError, first_ten

_FIELDS = ("label", "class", "class_name", "label_name", "category")


def find_label(texts: Mapping[str, bytes], place: str, key: str | None) -> object:
    """Return a sample's label, None where it has none.

    Args:
        texts: contents of the sample's small members, by ending.
        place: the sample, for messages.
        key: ending of the member, or field of `.json`, that the user named.

    Raises:
        SemcoError: the member cannot be read, or several fields of `.json` could be meant.
    """
    ending = "cls" if key is None else key.lower()
    if ending != "json" and ending in texts:
        return _decode(texts[ending], place, ending).strip()
    if "json" not in texts:
        return None
    try:
        fields = json.loads(_decode(texts["json"], place, "json"))
    except (ValueError, RecursionError) as error:
        raise SemcoError(f"{place} has damaged JSON ({error}): make the shard again") from error
    if not isinstance(fields, dict):
        raise SemcoError(f"{place} has JSON that is no object, expected fields such as label: make the shard again")
    if key is not None:
        return fields.get(key)
    found = [field for field in _FIELDS if field in fields]
    if len(found) > 1:
        raise SemcoError(
            f"{place} has several fields that may be the label ({first_ten(found)}): name one with --label-key"
        )
    return fields[found[0]] if found else None


def _decode(data: bytes, place: str, ending: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SemcoError(f"{place} has a .{ending} that is not text in UTF-8: make the shard again") from error
