"""Images that a source keeps as bytes inside larger files: their kind, told by their first bytes."""

# How many bytes of an image its kind shows in.
HEAD = 32
# In bytes. No photograph comes near it.
LARGEST_IMAGE = 2**28
# Of an image whose start tells nothing. Decoding goes by the content alone, and names those that are damaged.
UNKNOWN = ".bin"
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"\0\0\0\x0cjP  ", ".jp2"),
    (b"\xffO\xffQ", ".j2k"),
    (b"P5", ".pgm"),
    (b"P6", ".ppm"),
)
# Files of the ISO base media format name their kind after the size of their first box and `ftyp`.
_BRANDS = {b"avif": ".avif", b"avis": ".avif"} | dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1"), ".heic")


def image_suffix(head: bytes) -> str:
    """Return the suffix that an image's first `HEAD` bytes call for, or `UNKNOWN`.

    Only the start is looked at: whether the image is intact shows when it is decoded.
    """
    for start, suffix in _STARTS:
        if head.startswith(start):
            return suffix
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], UNKNOWN)
    return UNKNOWN
