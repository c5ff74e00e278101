"""Text from outside (reasons, names, answers, output) as one harmless line."""

import re

from deployguard.plain import plain_line, shortened

LONGEST = 200
# What `plain_line` leaves: the Arabic letter mark, which reorders, and halves of surrogate pairs, which no file takes.
_REST = re.compile("[\u061c\u2028\u2029\ud800-\udfff]")


def plain(text: object, most: int = LONGEST) -> str:
    """`text` in one line of at most `most` characters, without control, escape and reordering characters."""
    line = plain_line(_REST.sub("", text if isinstance(text, str) else str(text)))
    return shortened(line, most)
