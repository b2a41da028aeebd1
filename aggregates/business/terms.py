"""What one version of a contract says, as data: who does what and pays how much by when, and the file that says it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from aggregates.amounts import is_something
from aggregates.refused import Refused
from aggregates.text import Code, ContentHash, Text
from aggregates.value import Value

IN_AN_ID = re.compile(r"[A-Za-z0-9.-]{1,40}")


def check_number(number: Code) -> None:
    """Refused where an instalment's number could not stand in the id of what is claimed for it."""
    if IN_AN_ID.fullmatch(number) is None:
        raise Refused("An instalment is numbered by letters, digits, points and hyphens, 40 of them at most.")


class Promise(Value):
    """Something one side has to do by a day, under its number in the contract."""

    number: Code
    what: Text
    due: date


class Instalment(Value):
    """A part of the amount, and the day by which the customer pays it."""

    number: Code
    amount: Decimal
    due: date


class Terms(Value):
    """What one version of a contract says, and the file that says it."""

    content: ContentHash
    amount: Decimal
    begins: date
    ends: date
    obligations: tuple[Promise, ...]
    payments: tuple[Instalment, ...]

    def lacks(self, before: Terms) -> list[Code]:
        """The numbers of what was promised or to be paid before, and stands here no more."""
        promised = {one.number for one in before.obligations} - {one.number for one in self.obligations}
        paid = {one.number for one in before.payments} - {one.number for one in self.payments}
        return sorted({*promised, *paid})

    def pays_otherwise(self, before: Terms) -> set[Code]:
        """The numbers of instalments of another amount or day than before."""
        return {one.number for one in {*before.payments} - {*self.payments}}

    def check(self) -> None:
        """Refused where they contradict themselves."""
        if not is_something(self.amount):
            raise Refused("A contract is about an amount of more than zero.")
        if self.ends < self.begins:
            raise Refused("A contract ends on {begins} at the earliest.", begins=self.begins)
        for numbers in ([one.number for one in self.obligations], [one.number for one in self.payments]):
            if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
                raise Refused("These numbers stand there twice: {numbers}.", numbers=", ".join(twice))
        for payment in self.payments:
            check_number(payment.number)
        if not all(is_something(payment.amount) for payment in self.payments):
            raise Refused("An instalment is an amount of more than zero.")
        total = sum((payment.amount for payment in self.payments), Decimal(0))
        if total != self.amount:
            raise Refused("The instalments come to {total}, and not to {amount}.", total=total, amount=self.amount)
