"""Lists that people type, in which a part may be quoted: `sce@"a,b",doa`, `"a=b"=0.5`."""

QUOTES = "\"'"


def split_quoted(text: str, separator: str) -> list[str]:
    """Split a text at a separator outside of quotes, which are taken off; blanks around parts go, too.

    A quote that is never closed, as in a name with an apostrophe, is a character like any other.

    >>> split_quoted('sce@"my, folder", doa', ",")
    ['sce@my, folder', 'doa']
    """
    parts, part, place = list[str](), "", 0
    while place < len(text):
        letter = text[place]
        end = text.find(letter, place + 1) if letter in QUOTES else -1
        if end > place:
            part, place = part + text[place + 1 : end], end + 1
        elif letter == separator:
            parts, part, place = [*parts, part], "", place + 1
        else:
            part, place = part + letter, place + 1
    return [one.strip() for one in (*parts, part)]
