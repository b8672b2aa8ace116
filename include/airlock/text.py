"""Text of others, such as a DAG file's message, for terminals, logs and messages."""

from __future__ import annotations

import re

# Controls but tab and newline, marks that turn the direction of writing or have no width, and halves of characters. The
# joiners of emoji and of Persian stay.
_HIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)

_HALF = re.compile("[\ud800-\udfff]")


def is_utf8(name: str) -> bool:
    """Return whether a file name of this machine is text; others have halves of characters for their bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(text: str) -> str:
    """Return a JSON text with escapes, as JSON has them, for halves of characters: a name of odd bytes has them."""
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible(text: str) -> str:
    """Return a text with escapes, as Python writes them, for what a terminal would obey or not show."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Return a text as ``visible`` does, with escapes for tabs and line ends too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
