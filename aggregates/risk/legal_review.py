"""A legal review: counsel reads one exact text of a contract and lets it pass, on conditions, or not: 5.2.4."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, command
from aggregates.facts import ContractStanding, Post, about
from aggregates.ids import ContractId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import ContentHash, Text
from aggregates.value import Value

ASKERS = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD, Role.PROJECT_MANAGER)
"""Who brings contracts to counsel."""


class Difficulty(StrEnum):
    """How much there is to read: a text after our own model, or one that must be thought through."""

    SIMPLE = "simple"
    COMPLEX = "complex"


class LegalReviewRequested(Event):
    contract_id: ContractId
    content: ContentHash
    complexity: Difficulty


class LegalReviewAssigned(Event):
    contract_id: ContractId
    counsel_id: EmployeeId


class LegalReviewPassed(Event):
    """This text may be signed, as far as the law goes. After conditions it may be another than was asked about."""

    contract_id: ContractId
    content: ContentHash


class LegalReviewPassedWithConditions(Event):
    """It may not be signed before the conditions are met and counsel has looked again."""

    contract_id: ContractId
    content: ContentHash
    conditions: Text


class LegalReviewRejected(Event):
    contract_id: ContractId
    content: ContentHash
    grounds: Text


class LegalReviewWithdrawn(Event):
    contract_id: ContractId
    reason: Text


LegalReviewEvent: TypeAlias = (
    LegalReviewRequested
    | LegalReviewAssigned
    | LegalReviewPassed
    | LegalReviewPassedWithConditions
    | LegalReviewRejected
    | LegalReviewWithdrawn
)


class Status(StrEnum):
    """How far counsel has come."""

    BLANK = auto()
    REQUESTED = auto()
    ON_CONDITIONS = auto()
    PASSED = auto()
    REJECTED = auto()
    WITHDRAWN = auto()


class LegalReview(Value):
    """Nobody lets pass what they wrote themselves, and what passes is a text, not a name."""

    status: Status = Status.BLANK
    contract_id: ContractId | None = None
    content: ContentHash | None = None
    counsel_id: EmployeeId | None = None

    @command(by=ASKERS, clause="5.2.4-a", opens=True)
    def request(
        self, contract_id: ContractId, content: ContentHash, complexity: Difficulty, contract: ContractStanding
    ) -> LegalReviewRequested:
        """Ask counsel to read exactly this text of a contract."""
        if self.status is not Status.BLANK:
            raise Refused("This review was requested already: ask for another one.")
        _must_be_its_text(content, contract)
        return LegalReviewRequested(contract_id=contract_id, content=content, complexity=complexity)

    @command(by=(Role.LEGAL,), clause="5.2.4-a")
    def assign(
        self, counsel_id: EmployeeId, counsel: Annotated[Post, about("counsel_id")], contract: ContractStanding
    ) -> LegalReviewAssigned | None:
        """Say which counsel reads it."""
        contract_id, _ = self._open()
        if Role.LEGAL not in counsel.roles:
            raise Refused("Choose somebody who is legal counsel.")
        if counsel_id in contract.authors:
            raise Refused("Whoever drafted the contract does not review it: choose somebody else.")
        return (
            None
            if counsel_id == self.counsel_id
            else LegalReviewAssigned(contract_id=contract_id, counsel_id=counsel_id)
        )

    @command(by=(Role.LEGAL,), clause="5.2.4-a")
    def let_pass(self, by: Actor, content: ContentHash, contract: ContractStanding) -> LegalReviewPassed:
        """This text may be signed; where there were conditions, they are met in it."""
        contract_id, asked = self._open()
        self._must_be_its_reader(by, contract)
        if self.status is Status.REQUESTED and content != asked:
            raise Refused("This is another text than the one to be reviewed: have a review of it requested.")
        _must_be_its_text(content, contract)
        return LegalReviewPassed(contract_id=contract_id, content=content)

    @command(by=(Role.LEGAL,), clause="5.2.4-a")
    def let_pass_on_conditions(
        self, by: Actor, conditions: Text, contract: ContractStanding
    ) -> LegalReviewPassedWithConditions:
        """It may be signed after something has been put right and shown to counsel."""
        contract_id, content = self._open()
        self._must_be_its_reader(by, contract)
        return LegalReviewPassedWithConditions(contract_id=contract_id, content=content, conditions=conditions)

    @command(by=(Role.LEGAL,), clause="5.2.4-a")
    def reject(self, by: Actor, grounds: Text, contract: ContractStanding) -> LegalReviewRejected:
        """It must not be signed, and why."""
        contract_id, content = self._open()
        self._must_be_its_reader(by, contract)
        return LegalReviewRejected(contract_id=contract_id, content=content, grounds=grounds)

    @command(by=ASKERS, clause="5.2.4-a")
    def withdraw(self, reason: Text) -> LegalReviewWithdrawn:
        """Counsel needs not read it any more."""
        contract_id, _ = self._open()
        return LegalReviewWithdrawn(contract_id=contract_id, reason=reason)

    def evolve(self, event: LegalReviewEvent, /) -> LegalReview:
        match event:
            case LegalReviewRequested(contract_id=contract_id, content=content):
                return LegalReview(status=Status.REQUESTED, contract_id=contract_id, content=content)
            case LegalReviewAssigned(counsel_id=counsel_id):
                return replace(self, counsel_id=counsel_id)
            case LegalReviewPassed(content=content):
                return replace(self, status=Status.PASSED, content=content)
            case LegalReviewPassedWithConditions():
                return replace(self, status=Status.ON_CONDITIONS)
            case LegalReviewRejected():
                return replace(self, status=Status.REJECTED)
            case LegalReviewWithdrawn():
                return replace(self, status=Status.WITHDRAWN)
            case _:
                assert_never(event)

    def _open(self) -> tuple[ContractId, ContentHash]:
        """Of which contract, and which text of it."""
        if self.contract_id is None or self.content is None:
            raise Refused("No review was requested here.")
        if self.status not in {Status.REQUESTED, Status.ON_CONDITIONS}:
            raise Refused("This review is {status}: have another one requested.", status=self.status)
        return self.contract_id, self.content

    def _must_be_its_reader(self, by: Actor, contract: ContractStanding) -> None:
        if any(by.speaks_for(author) for author in contract.authors):
            raise Refused("Whoever drafted the contract does not review it: leave it to somebody else.")
        if self.counsel_id is not None and not by.speaks_for(self.counsel_id):
            raise Refused("This review is assigned to somebody else: have it assigned to you first.")


def _must_be_its_text(content: ContentHash, contract: ContractStanding) -> None:
    """What nobody has drafted might still be drafted by whoever reviews it."""
    if content != contract.content:
        raise Refused("This is not the present text of the contract.")
