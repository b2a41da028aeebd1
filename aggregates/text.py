"""What a piece of text may reveal, and whose secret it is. An event has no bare `str`."""

from typing import NewType

from msgspec import Meta

Code = NewType("Code", str)
"""Names nobody: a category, a channel, a number of ours."""

Text = NewType("Text", str)
"""Free text: may name anybody. Arrives sealed under the key of its stream; rules never look inside."""

Personal = NewType("Personal", str)
"""Belongs to one person: `name: Annotated[Personal, personal("employee_id")]`. Sealed under that person's key."""

ContentHash = NewType("ContentHash", str)
"""`sha256:…` of the bytes of a document."""

CONTENT_HASH = r"sha256:[0-9a-f]{64}"
"""What such a hash looks like."""

Index = NewType("Index", str)
"""What a sealed text is found by: a keyed hash, the same for texts that differ in case and spaces alone."""


def personal(field: str, *, restricted: bool = False) -> Meta:
    """Whose it is: the person whose id stands in `field`; `self` is the person whose stream this is.

    What is `restricted` few may read, and each time that somebody does is put on record.
    """
    return Meta(extra={"belongs to": field, "restricted": restricted})


def findable(scope: str) -> Meta:
    """It can be searched for: its sealed form carries its index among those of the same scope."""
    return Meta(extra={"found in": scope})


def unique(scope: str) -> Meta:
    """Only one stream may ever carry this value: `code: Annotated[Code, unique("credit-code")]`."""
    return Meta(extra={"unique in": scope})
