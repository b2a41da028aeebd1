"""Random histories of who holds what and who tries what, over plans, contracts, reviews, credit and write-offs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aggregates.actor import Actor, Role
from aggregates.business.contract import Contract, ContractAmended, ContractSigned
from aggregates.business.customer import AccountOwnerAssigned
from aggregates.business.development_plan import DevelopmentPlan, Goal, Measure
from aggregates.business.research import ResearchPublished
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Event, Recorded
from aggregates.facts import (
    BilledInstalments,
    ContractStanding,
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    Override,
    PublishedResearch,
)
from aggregates.ids import (
    ContractId,
    CreditId,
    CustomerId,
    DevelopmentPlanId,
    EmployeeId,
    LegalReviewId,
    ReceivableId,
    ResearchId,
    SegmentId,
)
from aggregates.risk.credit import Credit, CreditLimitApproved, CreditOverrideApproved
from aggregates.risk.legal_review import Difficulty, LegalReview, LegalReviewPassed
from aggregates.risk.receivable import Receivable, ReceivableRaised
from aggregates.text import Code, ContentHash, Text
from infra.commands import Kind
from projections.rules.catalogue import BY_NUMBER
from projections.rules.duty import DutyRow, Verdict
from tests.proofs.world import FOUNDING, MOSTLY, World

ROLES = (
    Role.MANAGER, Role.DEPUTY, Role.DEPUTY, Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD, Role.LEGAL,
    Role.FINANCE, Role.RISK,
)  # fmt: skip
PLAN, CONTRACT, REVIEW = DevelopmentPlanId("plan-1"), ContractId("contract-1"), LegalReviewId("review-1")
CUSTOMER, RESEARCH, SEGMENT = CustomerId("customer-1"), ResearchId("research-1"), SegmentId("segment-1")
CREDIT, OWED = CreditId("credit-customer-1"), ReceivableId("receivable-1")
PLANS = Kind(aggregate=DevelopmentPlan, id=DevelopmentPlanId, path="plans")
CONTRACTS = Kind(aggregate=Contract, id=ContractId, path="contracts")
REVIEWS = Kind(aggregate=LegalReview, id=LegalReviewId, path="reviews")
CREDITS = Kind(aggregate=Credit, id=CreditId, path="credits")
RECEIVABLES = Kind(aggregate=Receivable, id=ReceivableId, path="receivables")
TEXTS = (ContentHash("sha256:a"), ContentHash("sha256:b"))
WORDS, NOBODY = Text("words"), Actor(id="employee-personnel")

GATES = ("plan", "contract", "signature", "review", "limit", "override", "write-off")
RULES = (
    "R-BD-2", "R-BD-6", "R-BD-7", "R-BD-10", "R-RSK-6", "R-GEN-1.contract", "R-GEN-1.credit", "R-GEN-1.plan",
    "R-GEN-1.write-off", "R-GEN-2.1", "R-GEN-2.3", "R-GEN-2.3.text", "R-GEN-2.4", "R-GEN-2.5", "R-GEN-2.6", "R-GEN-2.7",
    "R-GEN-2.write-off",
)  # fmt: skip
"""What these histories can break."""


class Story(World):
    """One of each thing, and everybody at it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, ROLES)
        self.record(ResearchPublished(conclusions=WORDS, segment_ids=(SEGMENT,)), RESEARCH, NOBODY)
        raised = ReceivableRaised(
            customer_id=CUSTOMER, contract_id=CONTRACT, instalment=Code("a"), amount=Decimal(100), due=self.at.date()
        )
        self.things[OWED] = Receivable()
        self.record(raised, OWED, NOBODY)
        for _ in range(20):
            self.shuffle_offices()
        acts: list[Callable[[], object]] = [
            self.shuffle_offices, self.own, self.draft_plan, self.submit_plan, self.approve_plan, self.draft,
            self.review, self.approve, self.sign, self.all_the_way, self.all_the_way, self.assess, self.limit,
            self.ask_override, self.override, self.ask_write_off, self.write_off,
        ]  # fmt: skip
        for _ in range(40):
            self.random.choice(acts)()

    # What everybody could know: worked out anew from the log each time

    @property
    def customer(self) -> CustomerStanding:
        owners = tuple(r.event.owner_id for r in self.log if isinstance(r.event, AccountOwnerAssigned))
        return CustomerStanding(customer_id=CUSTOMER, owner_id=owners[-1] if owners else None, owners=owners)

    @property
    def research(self) -> PublishedResearch:
        return PublishedResearch(research_id=RESEARCH, published_at=self.log[0].effective_at, segment_ids=(SEGMENT,))

    @property
    def contract(self) -> ContractStanding:
        known: Contract = self.things.get(CONTRACT, Contract())
        now = known.proposed or known.terms
        return ContractStanding(
            contract_id=CONTRACT, authors=known.authors, content=None if now is None else now.content
        )

    @property
    def clearance(self) -> LegalClearance:
        passed: dict[ContentHash, tuple[EmployeeId, ...]] = {}
        for record in self.log:
            if isinstance(record.event, LegalReviewPassed):
                people = dict.fromkeys((record.actor_id, record.person))
                passed[record.event.content] = (*passed.get(record.event.content, ()), *map(EmployeeId, people))
        return LegalClearance(contract_id=CONTRACT, passed=passed)

    @property
    def credit(self) -> CreditStanding:
        limits = [r.event for r in self.log if isinstance(r.event, CreditLimitApproved)]
        overrides = {
            r.event.contract_id: Override(amount=r.event.amount, until=r.event.until)
            for r in self.log
            if isinstance(r.event, CreditOverrideApproved)
        }
        signed = [r.event.amount for r in self.log if isinstance(r.event, ContractSigned | ContractAmended)]
        last = limits[-1] if limits else None
        return CreditStanding(
            customer_id=CUSTOMER,
            limit=Decimal(0) if last is None else last.limit,
            valid_until=None if last is None else last.valid_until,
            exposure=Decimal(100) if not signed else max(signed[-1], Decimal(100)),
            overrides=overrides,
        )

    # What people try

    def amount(self) -> Decimal:
        """On either side of what a deputy may decide on."""
        return Decimal(self.random.choice((1_000, 300_000, 300_001, 500_000, 500_001)))

    def terms(self) -> Terms:
        amount, today = self.amount(), self.at.date()
        return Terms(
            content=self.random.choice(TEXTS),
            amount=amount,
            begins=today,
            ends=today + timedelta(days=400),
            obligations=(),
            payments=(Instalment(number=Code("a"), amount=amount, due=today),),
        )

    def text(self) -> ContentHash:
        """Mostly the one that is being worked on."""
        now = self.contract.content
        return now if now is not None and self.random.random() < MOSTLY else self.random.choice(TEXTS)

    def own(self) -> None:
        self.record(AccountOwnerAssigned(owner_id=self.somebody()), CUSTOMER, NOBODY)

    def draft_plan(self) -> None:
        today = self.at.date()
        said: Mapping[str, Any] = {
            "research_id": RESEARCH,
            "goals": (Goal(measure=Measure.NEW_CUSTOMERS, target=Decimal(3), due=today + timedelta(days=9)),),
            "strategy": WORDS,
            "channels": (Code("phone"), Code("fair")),
            "segment_ids": (SEGMENT,),
            "begins": today,
            "ends": today + timedelta(days=90),
            "research": self.research,
        }
        begun = PLAN in self.things
        self.give(PLANS, DevelopmentPlan.redraft if begun else DevelopmentPlan.draft, PLAN, **said)

    def submit_plan(self) -> None:
        self.give(PLANS, DevelopmentPlan.submit, PLAN)

    def approve_plan(self) -> None:
        age = self.reference.setting("P-44", self.at)
        self.give(PLANS, DevelopmentPlan.approve, PLAN, "plan", research=self.research, age=age)

    def draft(self) -> None:
        match self.things.get(CONTRACT, Contract()):
            case Contract(terms=None, proposed=None):
                said: Mapping[str, Any] = {"customer_id": CUSTOMER, "customer": self.customer}
                self.give(CONTRACTS, Contract.draft, CONTRACT, terms=self.terms(), **said)
            case Contract(terms=None):
                self.give(CONTRACTS, Contract.redraft, CONTRACT, terms=self.terms(), clearance=self.clearance)
            case _:
                facts: Mapping[str, Any] = {
                    "clearance": self.clearance, "billed": BilledInstalments(contract_id=CONTRACT),
                }  # fmt: skip
                self.give(CONTRACTS, Contract.amend, CONTRACT, terms=self.terms(), **facts)

    def review(self) -> None:
        content, contract = self.text(), self.contract
        review = LegalReviewId(f"review-{self.number()}")
        asked: Mapping[str, Any] = {"contract_id": CONTRACT, "content": content, "complexity": Difficulty.SIMPLE}
        if self.give(REVIEWS, LegalReview.request, review, contract=contract, **asked):
            if self.random.random() < 0.3:
                self.give(REVIEWS, LegalReview.let_pass_on_conditions, review, conditions=WORDS, contract=contract)
                content = self.text()
            for _ in range(3):
                self.give(REVIEWS, LegalReview.let_pass, review, "review", content=content, contract=self.contract)

    def approve(self) -> None:
        limits = self.reference.setting("P-39", self.at)
        facts: Mapping[str, Any] = {"clearance": self.clearance, "customer": self.customer, "limits": limits}
        self.give(CONTRACTS, Contract.approve, CONTRACT, "contract", content=self.text(), **facts)

    def sign(self) -> None:
        limits = self.reference.setting("P-39", self.at)
        facts: Mapping[str, Any] = {
            "clearance": self.clearance, "credit": self.credit, "customer": self.customer, "limits": limits,
        }  # fmt: skip
        said: Mapping[str, Any] = {"place": WORDS, "signed_for_customer": WORDS}
        self.give(CONTRACTS, Contract.sign, CONTRACT, "signature", content=self.text(), **said, **facts)

    def all_the_way(self) -> None:
        """One step after the other, as people who want a contract signed would."""
        for step in (self.draft, self.assess, self.limit, self.review, self.approve, self.sign):
            step()

    def assess(self) -> None:
        scorecard, months = self.reference.setting("P-46", self.at), self.reference.setting("P-18", self.at)
        factors = {name: 80 for name, value in scorecard.values.items() if value.unit == "percent"}
        said: Mapping[str, Any] = {"factors": factors, "rationale": WORDS, "scorecard": scorecard, "months": months}
        if CREDIT in self.things:
            self.give(CREDITS, Credit.reassess, CREDIT, **said)
        else:
            self.give(CREDITS, Credit.assess, CREDIT, customer_id=CUSTOMER, **said)

    def limit(self) -> None:
        facts: Mapping[str, Any] = {"customer": self.customer, "authority": self.reference.setting("P-40", self.at)}
        limit = self.amount() * self.random.choice((1, 10))
        self.give(CREDITS, Credit.approve_limit, CREDIT, "limit", limit=limit, payment_days=30, **facts)

    def ask_override(self) -> None:
        until = self.at + timedelta(hours=self.random.randint(1, 200))
        said: Mapping[str, Any] = {"amount": self.amount(), "until": until, "grounds": WORDS}
        self.give(CREDITS, Credit.request_override, CREDIT, contract_id=CONTRACT, **said)

    def override(self) -> None:
        facts: Mapping[str, Any] = {"customer": self.customer, "authority": self.reference.setting("P-40", self.at)}
        self.give(CREDITS, Credit.approve_override, CREDIT, "override", contract_id=CONTRACT, **facts)

    def ask_write_off(self) -> None:
        self.give(RECEIVABLES, Receivable.request_write_off, OWED, amount=Decimal(1), grounds=WORDS)

    def write_off(self) -> None:
        self.give(RECEIVABLES, Receivable.approve_write_off, OWED, "write-off")


class Run:
    """What many histories came to: how often each gate was passed and refused, and which rules found what."""

    def __init__(self) -> None:
        self.tried: Counter[tuple[str, bool]] = Counter()
        self.found: Counter[str] = Counter()

    def add(self, story: Story) -> None:
        """Another history, judged by the rules."""
        self.tried += story.tried
        for number, row in judged(story.log):
            if row.verdict is Verdict.VIOLATED:
                self.found[number] += 1


def histories(seeds: Iterable[int], watch: Callable[[Story], None] = lambda _: None) -> Run:
    """Each seed makes another history; `watch` looks at each."""
    run = Run()
    for seed in seeds:
        story = Story(seed)
        watch(story)
        run.add(story)
    return run


def judged(log: Iterable[Recorded[Event]]) -> Iterable[tuple[str, DutyRow]]:
    """What the rules make of a log: every case of each."""
    views = {number: BY_NUMBER[number].view for number in RULES}
    rows: dict[tuple[str, Any], DutyRow] = {}
    reference = FOUNDING
    for record in log:
        reference = reference.after(record)
        for number, view in views.items():
            if (fold := view.folds.get(type(record.event))) is not None:
                key = number, view.keys[type(record.event)](record)
                if (row := fold(rows.get(key), record, reference)) is not None:
                    rows[key] = row
    return [(number, row) for (number, _), row in rows.items()]
