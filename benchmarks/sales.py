"""What happens in a made-up business development: from the market to the last instalment, one act after the other."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business.campaign import Campaign
from aggregates.business.contract import Contract
from aggregates.business.customer_file import Intent
from aggregates.business.development_plan import DevelopmentPlan, Goal, Measure
from aggregates.business.negotiation import Negotiation
from aggregates.business.opportunity import Opportunity, Stage
from aggregates.business.research import Research
from aggregates.business.segment import Reliability, Segment
from aggregates.business.terms import Instalment, Promise, Terms
from aggregates.facts import (
    AgreedTerms,
    ContractStanding,
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    OpportunityStanding,
    OpportunityTalks,
    Payable,
    PlanStanding,
    PublishedResearch,
    RecordClassStanding,
    StoredFile,
    Unit,
)
from aggregates.ids import (
    CampaignId,
    ContractId,
    CustomerId,
    DevelopmentPlanId,
    NegotiationId,
    OpportunityId,
    RecordClassId,
    ResearchId,
    SegmentId,
)
from aggregates.information.document import Document
from aggregates.information.level import Security
from aggregates.information.record_class import RecordClass, Scheme
from aggregates.risk.consultation import LegalConsultation
from aggregates.risk.credit import Credit
from aggregates.risk.dunning import LEVELS
from aggregates.risk.legal_review import Difficulty, LegalReview
from aggregates.risk.receivable import Receivable
from aggregates.text import Code, ContentHash, Text
from benchmarks.cast import FAR_AWAY, SETTINGS, Act, Cast, Story, Stream, post_of, without_limit

CHANNELS = (Code("phone"), Code("mail"), Code("visit"), Code("fair"))
PRODUCTS = (Code("heating"), Code("cooling"), Code("controls"), Code("service"))
FINDING = (
    "Three of the five heating firms of the north have raised their prices by a tenth since the summer, and two of"
    " them no longer take orders of fewer than twenty units before the end of the year."
)
CALL = (
    "They have two halls to heat from next autumn on, the old plant is twenty years old, and the board decides in May;"
    " they want to see a plant of ours at work before."
)
NEEDS = (
    "Two plants of 400 kW each, delivered and installed in the summer shutdown, with a service contract over five"
    " years and a guaranteed answer within four hours on working days."
)
ROUND = (
    "They ask for another two percent and for sixty days; we said that thirty days are what we can do, and that a"
    " discount needs a longer service contract."
)
QUESTION = "May we use the drawings of the old plant, which another firm has made, for our own offer?"
ADVICE = "Only with the consent of that firm, in writing; without it, measure the plant anew and draw it yourselves."
FORMS = {"place": "Beijing", "signed_for_customer": "Mrs Wu, managing director"}
PDF, CONTRACTS, PREFIX = Code("pdf"), Code("contract"), Code("HT")
ARCHIVE = Code("cabinet 4")


def filing_plan(cast: Cast) -> Story:
    """How contracts are kept."""
    scheme = Scheme(
        formats=(PDF,), security=Security.INTERNAL, retention_years=10, custodian=Role.RECORDS, place=ARCHIVE
    )
    told = {"code": CONTRACTS, "name": "Contracts", "prefix": PREFIX, "scheme": scheme}
    yield Act(Stream(f"recordclass-{CONTRACTS}", RecordClass()), "recordclass.publish", cast.manager, told)


def market(cast: Cast) -> Story:
    """A segment is watched and looked into, and a plan is made to win it."""
    dice, seller, lead = cast.dice, cast.dice.choice(cast.sellers), cast.sales_lead
    code = Code(f"{dice.getrandbits(32):08x}")
    segment = Stream(f"segment-{code}", Segment())
    segment_id = SegmentId(segment.id)
    yield Act(segment, "segment.watch", seller, {"code": code, "name": f"Segment {code}"})
    for _ in range(dice.randrange(2, 6)):
        seen: dict[str, Any] = {"topic": "prices", "source": "fair", "reliability": dice.choice(tuple(Reliability))}
        yield Act(
            segment, "segment.record_intelligence", seller, {**seen, "observed_on": cast.today, "finding": FINDING}
        )
    research = Stream(cast.new_id("research"), Research())
    yield Act(research, "research.open", seller, {"topic": f"Heating in {code}"})
    analysed = {"segment_id": segment_id, "pains": CALL, "fit": dice.randrange(101), "score": dice.randrange(101)}
    yield Act(research, "research.analyse_segment", seller, analysed)
    published_at = cast.now
    yield Act(research, "research.publish", lead, {"conclusions": FINDING, "segment_ids": (segment_id,)})
    known = PublishedResearch(research_id=ResearchId(research.id), published_at=published_at, segment_ids=(segment_id,))
    yield from _plan(cast, seller, known)


def _plan(cast: Cast, seller: Actor, research: PublishedResearch) -> Story:
    plan, begins = Stream(cast.new_id("plan"), DevelopmentPlan()), cast.now
    goal = Goal(measure=Measure.CONTRACTS, target=Decimal(12), due=FAR_AWAY.date())
    told = {
        "research_id": research.research_id,
        "goals": (goal,),
        "strategy": NEEDS,
        "channels": CHANNELS,
        "segment_ids": research.segment_ids,
        "begins": begins.date(),
        "ends": FAR_AWAY.date(),
        "research": research,
    }
    yield Act(plan, "plan.draft", seller, told)
    yield Act(plan, "plan.submit", seller, {})
    if cast.dice.random() < 0.3:
        yield Act(plan, "plan.send_back", cast.manager, {"reason": "The channels are not the right ones."})
        yield Act(plan, "plan.redraft", seller, told)
        yield Act(plan, "plan.submit", seller, {})
    yield Act(plan, "plan.approve", cast.manager, {"research": research, "age": without_limit("P-44")})
    standing = PlanStanding(
        plan_id=DevelopmentPlanId(plan.id), approved=True, begins_at=begins, ends_at=FAR_AWAY, channels=CHANNELS
    )
    campaign = Stream(cast.new_id("campaign"), Campaign())
    started = {"plan_id": standing.plan_id, "name": "Autumn", "channels": CHANNELS[:2], "plan": standing}
    yield Act(campaign, "campaign.start", seller, started)
    for _ in range(5):
        yield _contact(cast, cast.some_customer(), seller, CampaignId(campaign.id))
    yield Act(campaign, "campaign.end", seller, {"result": "Two opportunities."})


def _contact(cast: Cast, customer: Stream, seller: Actor, campaign_id: CampaignId | None = None) -> Act:
    told = {"channel": cast.dice.choice(CHANNELS), "outcome": "interested", "wording": CALL}
    return Act(customer, "customer.contact", seller, {**told, "campaign_id": campaign_id})


class Deal:
    """An opportunity, and what there is to know of it."""

    def __init__(self, cast: Cast) -> None:
        dice = cast.dice
        self.cast, self.seller, self.customer = cast, dice.choice(cast.sellers), cast.some_customer()
        self.value = Decimal(dice.choice((12_000, 90_000, 240_000, 800_000)))
        self.customer_id = CustomerId(self.customer.id)
        self.file = CustomerStanding(customer_id=self.customer_id, file_score=100)
        self.opportunity = Stream(cast.new_id("opportunity"), Opportunity())
        self.negotiation = Stream(cast.new_id("negotiation"), Negotiation())
        self.negotiation_id = NegotiationId(self.negotiation.id)
        self.contract = Stream(cast.new_id("contract"), Contract())
        self.contract_id = ContractId(self.contract.id)
        self.standing = OpportunityStanding(
            opportunity_id=OpportunityId(self.opportunity.id),
            customer_id=self.customer_id,
            open=True,
            needs_confirmed=True,
            value=self.value,
        )
        self.talks = OpportunityTalks(opportunity_id=self.standing.opportunity_id, opened=(self.negotiation_id,))
        self.terms = self.in_another_file()

    def in_another_file(self) -> Terms:
        """What is agreed, as another file says it."""
        today, half = self.cast.today, self.value / 2
        return Terms(
            content=ContentHash(f"sha256:{self.cast.dice.getrandbits(256):064x}"),
            amount=self.value,
            begins=today,
            ends=FAR_AWAY.date(),
            obligations=(Promise(number=Code("1"), what=Text("Two plants, installed."), due=today),),
            payments=tuple(Instalment(number=Code(number), amount=half, due=today) for number in ("a", "b")),
        )

    @property
    def drafted(self) -> ContractStanding:
        """The contract as it is now, unsigned."""
        return ContractStanding(
            contract_id=self.contract_id,
            customer_id=self.customer_id,
            opportunity_id=self.standing.opportunity_id,
            negotiation_id=self.negotiation_id,
            amount=self.value,
            authors=(self.seller.employee,),
            content=self.terms.content,
            payments={one.number: Payable(amount=one.amount, due=one.due) for one in self.terms.payments},
        )


def opportunity(cast: Cast) -> Story:
    """An opportunity from its first sign to one of its ends; what is won, up to the last payment."""
    dice, deal = cast.dice, Deal(cast)
    seller, stream = deal.seller, deal.opportunity
    found = {"customer_id": deal.customer_id, "product": dice.choice(PRODUCTS), "value": deal.value}
    yield Act(stream, "opportunity.identify", seller, {**found, "customer": deal.file})
    yield _contact(cast, deal.customer, seller)
    yield Act(stream, "opportunity.change_stage", seller, {"stage": Stage.CONTACTED, "reason": "They called back."})
    yield Act(deal.customer, "customer.record_need", seller, {"need": NEEDS, "intent": dice.choice(tuple(Intent))})
    if dice.random() < 0.2:
        yield Act(stream, "opportunity.abandon", seller, {"reason": "They build no hall after all."})
        return
    said = {"statement": NEEDS, "confirmed_by": "Mrs Wu", "customer": deal.file}
    yield Act(stream, "opportunity.confirm_needs", seller, said)
    yield Act(stream, "opportunity.qualify", seller, {"customer": deal.file, "complete": SETTINGS[Code("P-41")]})
    yield Act(deal.customer, "customer.qualify", seller, {})
    for _ in range(dice.randrange(1, 4)):
        forecast = {"expected": cast.today + timedelta(days=dice.randrange(90)), "probability": dice.randrange(101)}
        yield Act(stream, "opportunity.forecast_close", seller, forecast)
    yield from _negotiation(deal)
    if dice.random() < 0.3:
        yield Act(deal.negotiation, "negotiation.break_off", seller, {"reason": "They will not go on."})
        yield Act(stream, "opportunity.lose", seller, {"reason": "price", "competitor": dice.choice("XYZ")})
        return
    yield Act(deal.negotiation, "negotiation.agree_terms", seller, {"price": deal.value, "payment_days": 30})
    yield from _contract(deal)
    yield from _what_was_promised(deal)


def _negotiation(deal: Deal) -> Story:
    cast, seller, stream = deal.cast, deal.seller, deal.negotiation
    brief = {
        "opportunity_id": deal.standing.opportunity_id,
        "aims": "The price of the list, and thirty days.",
        "floor_price": deal.value,
        "payment_days": 30,
        "concessions": "A service contract of a year for nothing.",
        "amount": deal.value,
        "opportunity": deal.standing,
    }
    yield Act(stream, "negotiation.prepare_brief", seller, brief)
    yield Act(stream, "negotiation.approve_brief", cast.manager, {"limits": SETTINGS[Code("P-45")]})
    yield Act(stream, "negotiation.open", seller, {"opportunity": deal.standing})
    opened = {"reason": f"{stream.id} was opened."}
    yield Act(deal.opportunity, "opportunity.negotiate", cast.clock, opened)
    for _ in range(cast.dice.randrange(1, 4)):
        held = {"held_on": cast.today, "channel": "visit", "wording": ROUND}
        yield Act(stream, "negotiation.record_round", seller, held)
        counter = {"price": deal.value * Decimal("0.95"), "payment_days": 60}
        yield Act(stream, "negotiation.receive_counter_offer", seller, counter)
        offer = {"price": deal.value, "payment_days": 30}
        if cast.dice.random() < 0.1:
            offer = {"price": deal.value * Decimal("0.98"), "payment_days": 30}
            leave = {**offer, "limits": SETTINGS[Code("P-45")]}
            yield Act(stream, "negotiation.approve_below_floor", cast.manager, leave)
        yield Act(stream, "negotiation.offer_terms", seller, offer)


def _contract(deal: Deal) -> Story:
    """Drafted, read by counsel, approved, covered by credit, signed, filed."""
    cast, seller, stream = deal.cast, deal.seller, deal.contract
    agreed = AgreedTerms(
        negotiation_id=deal.negotiation_id,
        opportunity_id=deal.standing.opportunity_id,
        customer_id=deal.customer_id,
        price=deal.value,
        payment_days=30,
    )
    drafted = {
        "customer_id": deal.customer_id,
        "terms": deal.terms,
        "customer": deal.file,
        "opportunity_id": deal.standing.opportunity_id,
        "negotiation_id": agreed.negotiation_id,
        "agreed": agreed,
        "talks": deal.talks,
    }
    yield Act(stream, "contract.draft", seller, drafted)
    yield from _review(deal)
    clearance = LegalClearance(contract_id=deal.contract_id, passed={deal.terms.content: (cast.counsels[0].employee,)})
    facts = {"clearance": clearance, "customer": deal.file, "limits": SETTINGS[Code("P-39")]}
    text = {"content": deal.terms.content}
    yield Act(stream, "contract.approve", cast.manager, {**text, **facts, "talks": deal.talks})
    yield from _credit(deal)
    credit = CreditStanding(customer_id=deal.customer_id, limit=10 * deal.value, valid_until=FAR_AWAY)
    signed_at = cast.now
    yield Act(stream, "contract.sign", cast.manager, {**text, **FORMS, **facts, "credit": credit})
    signed = {"contract_id": deal.contract_id, "contract": replace(deal.drafted, signed_at=signed_at)}
    won = {**signed, "customer": deal.file, "this": deal.standing, "talks": deal.talks}
    yield Act(deal.opportunity, "opportunity.win", seller, won)
    yield Act(deal.customer, "customer.activate", seller, {**signed, "file": deal.file})
    yield from _filing(deal)


def _review(deal: Deal) -> Story:
    cast, seller, counsel = deal.cast, deal.seller, deal.cast.counsels[0]
    stream = Stream(cast.new_id("review"), LegalReview())
    asked = {"contract_id": deal.contract_id, "content": deal.terms.content, "contract": deal.drafted}
    yield Act(stream, "review.request", seller, {**asked, "complexity": cast.dice.choice(tuple(Difficulty))})
    given = {"counsel_id": counsel.id, "counsel": post_of(counsel), "contract": deal.drafted}
    yield Act(stream, "review.assign", counsel, given)
    if cast.dice.random() < 0.2:
        conditions = {"conditions": "Say which court decides.", "contract": deal.drafted}
        yield Act(stream, "review.let_pass_on_conditions", counsel, conditions)
        deal.terms = deal.in_another_file()
        unread = LegalClearance(contract_id=deal.contract_id)
        yield Act(deal.contract, "contract.redraft", seller, {"terms": deal.terms, "clearance": unread})
    yield Act(stream, "review.let_pass", counsel, {"content": deal.terms.content, "contract": deal.drafted})


def _credit(deal: Deal) -> Story:
    """Who has no limit yet is assessed; once in a while one contract may go beyond it."""
    cast = deal.cast
    stream = cast.credits.setdefault(deal.customer_id, Stream(f"credit-{deal.customer_id}", Credit()))
    scorecard, authority = SETTINGS[Code("P-46")], SETTINGS[Code("P-40")]
    if stream.version == 0:
        factors = {name: cast.dice.randrange(40, 101) for name, v in scorecard.values.items() if v.unit is Unit.PERCENT}
        judged = {"factors": factors, "rationale": "As their accounts of two years say."}
        facts = {"scorecard": scorecard, "months": without_limit("P-18")}
        yield Act(stream, "credit.assess", cast.assessor, {"customer_id": deal.customer_id, **judged, **facts})
        limit = {"limit": 10 * deal.value, "payment_days": 30, "customer": deal.file, "authority": authority}
        yield Act(stream, "credit.approve_limit", cast.manager, limit)
    elif cast.dice.random() < 0.1:
        asked = {"amount": deal.value, "until": FAR_AWAY, "grounds": "The second plant is paid in advance."}
        yield Act(stream, "credit.request_override", deal.seller, {"contract_id": deal.contract_id, **asked})
        granted = {"contract_id": deal.contract_id, "customer": deal.file, "authority": authority}
        yield Act(stream, "credit.approve_override", cast.manager, granted)


def _filing(deal: Deal) -> Story:
    cast, seller, content = deal.cast, deal.seller, deal.terms.content
    stream, year = Stream(cast.new_id("document"), Document()), Code(str(cast.now.year))
    kept = RecordClassStanding(
        record_class_id=RecordClassId(f"recordclass-{CONTRACTS}"),
        prefix=PREFIX,
        formats=(PDF,),
        security=Security.INTERNAL,
        place=ARCHIVE,
        numbers={year: cast.filed[year]},
    )
    cast.filed[year] += 1
    about = {"record_class_id": kept.record_class_id, "about_id": deal.contract_id, "title": "Contract over two plants"}
    yield Act(stream, "document.register", seller, {**about, "record_class": kept})
    file = {"content": content, "file": StoredFile(content=content, format=PDF), "record_class": kept}
    yield Act(stream, "document.add_version", seller, file)
    yield Act(stream, "document.review", cast.sales_lead, {"content": content})
    yield Act(stream, "document.declare_record", seller, {"content": content})
    yield Act(stream, "document.archive", cast.archivist, {"record_class": kept})


def _what_was_promised(deal: Deal) -> Story:
    """The contract is handed over and kept by us, and paid by the customer."""
    cast, stream = deal.cast, deal.contract
    yield Act(stream, "contract.hand_over", deal.seller, {"wording": NEEDS})
    if cast.dice.random() < 0.1:
        yield Act(stream, "contract.return_handover", cast.project_lead, {"reason": "The drawings are missing."})
        yield Act(stream, "contract.hand_over", deal.seller, {"wording": NEEDS})
    yield Act(stream, "contract.accept_handover", cast.project_lead, {})
    done = {"number": "1", "evidence": "Signed by Mrs Wu on the spot."}
    yield Act(stream, "contract.fulfil_obligation", cast.project_lead, done)
    for instalment in deal.terms.payments:
        yield from _payment(deal, instalment)
    if cast.dice.random() < 0.1:
        yield from _advice(deal)


def _payment(deal: Deal, instalment: Instalment) -> Story:
    """An instalment, claimed and paid; one in four late."""
    cast, accountant, dice = deal.cast, deal.cast.accountant, deal.cast.dice
    stream = Stream(f"receivable-{deal.contract_id}-{instalment.number}", Receivable())
    contract = replace(deal.drafted, signed_at=cast.now)
    claimed = {"contract_id": deal.contract_id, "instalment": instalment.number, "contract": contract}
    if dice.random() < 0.5:
        yield Act(stream, "receivable.bill", accountant, claimed)
    else:
        yield Act(stream, "receivable.fall_due", cast.clock, claimed)
    if dice.random() < 0.25:
        yield Act(stream, "receivable.become_overdue", cast.clock, {"due": instalment.due})
        for level in LEVELS[: dice.randrange(1, 4)]:
            reminded = {"level": level, "channel": "mail", "wording": "You owe us an instalment."}
            yield Act(stream, "receivable.take_dunning_step", accountant, reminded)
        if dice.random() < 0.3:
            until = {"until": cast.today}
            promised = {**until, "amount": instalment.amount, "ladder": SETTINGS[Code("P-19")]}
            yield Act(stream, "receivable.promise_payment", accountant, promised)
            if dice.random() < 0.5:
                yield Act(stream, "receivable.break_promise", cast.clock, until)
    if dice.random() < 0.02:
        given_up = {"amount": instalment.amount, "grounds": "The customer is bankrupt."}
        yield Act(stream, "receivable.request_write_off", accountant, given_up)
        yield Act(stream, "receivable.approve_write_off", cast.manager, {})
    else:
        paid = {"amount": instalment.amount, "reference": f"{dice.getrandbits(64):016x}"}
        yield Act(stream, "receivable.receive_payment", accountant, paid)


def _advice(deal: Deal) -> Story:
    stream = Stream(deal.cast.new_id("consultation"), LegalConsultation())
    asked = {"question": QUESTION, "due": deal.cast.today + timedelta(days=9), "about_id": deal.contract_id}
    yield Act(stream, "consultation.ask", deal.seller, asked)
    yield Act(stream, "consultation.advise", deal.cast.counsels[1], {"advice": ADVICE})
    yield Act(stream, "consultation.follow", deal.seller, {"decision": "We measure the plant anew."})
