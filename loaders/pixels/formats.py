"""Which files are images: formats told apart by content, those that Pillow reads and HEIC with pillow-heif."""

import ctypes
import stat
from functools import cache
from pathlib import Path

from PIL import Image

# Pillow knows these by their first bytes, but hands them to an interpreter of programs (EPS) or cannot decode them alone.
_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
# Formats that a file without a telling suffix may have: their first bytes cannot be mistaken for those of something else.
_UNMISTAKABLE = frozenset({"AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "TIFF", "WEBP"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
HEIC_NEEDS = "HEIC needs pillow-heif: install it (pip install pillow-heif), or save the image as JPEG"


@cache
def image_formats() -> tuple[str, ...]:
    """Return the names of all formats that are decoded; the first call prepares Pillow."""
    Image.init()
    _silence_libtiff()
    return tuple(name for name in Image.ID if name not in _NOT_DECODED)


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of these formats, in lower case with the dot."""
    formats = set(image_formats())
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def is_image(path: Path) -> bool:
    """Say whether a file is an image: by its suffix, else by its first bytes. HEIC counts where it can be decoded.

    A damaged file with the suffix of an image counts: leaving it out would hide the damage.

    Raises:
        OSError: the file cannot be read.
    """
    if path.suffix.lower() in image_suffixes():
        return True
    if not stat.S_ISREG(path.stat().st_mode):
        return False
    if is_heic(path):
        return register_heic()
    try:
        with Image.open(path, formats=[name for name in image_formats() if name in _UNMISTAKABLE]):
            return True
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True  # whoever decodes it says that it is too large
    except OSError as error:
        if error.errno is not None:
            raise
        return False
    # Pillow's readers fail in nearly any way on bytes that are no image.
    except Exception:
        return False


def is_heic(path: Path | str) -> bool:
    """Say whether a file's first bytes are those of HEIC.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


@cache
def register_heic() -> bool:
    """Teach Pillow HEIC; returns False where pillow-heif is not installed or does not work."""
    image_formats()
    try:
        import pillow_heif
    except (ImportError, OSError):
        return False
    pillow_heif.register_heif_opener()
    return True


def _silence_libtiff() -> None:
    """Keep libtiff from writing about damaged files to stderr beside the one line that names the file.

    Pillow passes libtiff's failures on as exceptions. Turning its handler off, instead of redirecting stderr, loses nothing
    that other threads write. A Pillow whose libtiff is out of reach keeps writing.
    """
    try:
        library = ctypes.CDLL(Image.core.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
    except (OSError, AttributeError):
        return
