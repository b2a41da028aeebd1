"""How the business says no."""

from __future__ import annotations

from typing import LiteralString


class Refused(Exception):
    """The aggregate said no: one sentence for the person who asked, and what to fill into it in any language."""

    def __init__(self, sentence: LiteralString, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.sentence, self.values = sentence, values
