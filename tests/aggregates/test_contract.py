"""Contract: what is signed is what counsel let pass and somebody else approved, within authority and credit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregates.actor import Actor, ActorKind, Delegation, Role
from aggregates.business.contract import (
    Contract,
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractEvent,
    ContractExpired,
    ContractHandedOver,
    ContractHandoverAccepted,
    ContractHandoverReturned,
    ContractObligationFulfilled,
    ContractRedrafted,
    ContractReturned,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
)
from aggregates.business.terms import Instalment, Promise, Terms
from aggregates.event import Event, events_of, recall
from aggregates.facts import (
    AgreedTerms,
    BilledInstalments,
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    OpportunityTalks,
    Override,
    Quantity,
    Setting,
    Unit,
)
from aggregates.ids import ContractId, CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.text import Code, ContentHash, Text
from tests.given import given

ACME, DEAL, THIS = CustomerId("customer-acme"), OpportunityId("opportunity-1"), ContractId("contract-1")
ANNA, BORIS, LI, WANG = map(EmployeeId, ("employee-anna", "employee-boris", "employee-li", "employee-wang"))
SELLER = Actor(id=ANNA, roles=frozenset({Role.BUSINESS_DEVELOPMENT}))
DEPUTY = Actor(id=BORIS, roles=frozenset({Role.DEPUTY}))
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER}))
CLOCK = Actor(id="policy", kind=ActorKind.POLICY, roles=frozenset({Role.CLOCK}))
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT, OTHER = ContentHash("sha256:a1"), ContentHash("sha256:b2")
WHY, HERE, THEM = Text("why"), Text("Shanghai"), Text("Ms Chen")

terms = Terms(
    content=TEXT,
    amount=Decimal(400_000),
    begins=date(2026, 3, 1),
    ends=date(2027, 2, 28),
    obligations=(Promise(number=Code("1"), what=Text("Deliver"), due=date(2026, 6, 1)),),
    payments=(
        Instalment(number=Code("a"), amount=Decimal(100_000), due=date(2026, 4, 1)),
        Instalment(number=Code("b"), amount=Decimal(300_000), due=date(2026, 9, 1)),
    ),
)
other = replace(terms, content=OTHER)


def of_amount(amount: int, content: ContentHash = TEXT) -> Terms:
    """The same for another amount, paid at once."""
    paid = (Instalment(number=Code("a"), amount=Decimal(amount), due=date(2026, 4, 1)),)
    return replace(terms, content=content, amount=Decimal(amount), payments=paid)


def numbered(number: str) -> Terms:
    """The same with a first instalment that is called so."""
    first, *others = terms.payments
    return replace(terms, payments=(replace(first, number=Code(number)), *others))


drafted = ContractDrafted(customer_id=ACME, terms=terms, drafted_by=(ANNA,), opportunity_id=DEAL)
approved = ContractApproved(customer_id=ACME, content=TEXT, amount=Decimal(400_000), approved_by=(BORIS,))
signed = ContractSigned(
    customer_id=ACME, content=TEXT, amount=Decimal(400_000), signed_by=(BORIS,), place=HERE,
    signed_for_customer=THEM, opportunity_id=DEAL,
)  # fmt: skip
handed_over = ContractHandedOver(wording=WHY)

customer = CustomerStanding(customer_id=ACME)
unbilled = BilledInstalments(contract_id=THIS)
cleared = LegalClearance(contract_id=THIS, passed={TEXT: (WANG,)})
limits = Setting(number=Code("P-39"), values={Code("deputy"): Quantity(amount=Decimal(500_000), unit=Unit.MONEY)})
good = CreditStanding(customer_id=ACME, limit=Decimal(500_000), valid_until=MONDAY + timedelta(days=90))


def signing(by: Actor = DEPUTY, content: ContentHash = TEXT, **facts: Any) -> dict[str, Any]:
    """The arguments of `sign`, with other facts where asked for."""
    known = {"clearance": cleared, "credit": good, "customer": customer, "limits": limits} | facts
    return {"by": by, "at": MONDAY, "content": content, "place": HERE, "signed_for_customer": THEM} | known


# The draft


def test_a_contract_is_drafted_with_its_file_obligations_and_payments_as_data() -> None:
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, DEAL).then(drafted)


@pytest.mark.parametrize(
    ("standing", "because"),
    [
        (CustomerStanding(customer_id=ACME, blocked=True), "blocked"),
        (CustomerStanding(customer_id=ACME, merged_into=CustomerId("customer-new")), "now customer-new"),
    ],
)
def test_not_with_everybody(standing: CustomerStanding, because: str) -> None:
    given(Contract).when(Contract.draft, SELLER, ACME, terms, standing).then_refused(because)


def test_from_a_negotiation_only_what_was_agreed() -> None:
    talks = NegotiationId("negotiation-1")
    open_ = AgreedTerms(negotiation_id=talks, customer_id=ACME)
    agreed = replace(open_, price=Decimal(400_000), payment_days=30)
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, None, talks, open_).then_refused(
        "come to terms"
    )
    theirs = replace(agreed, customer_id=CustomerId("customer-other"))
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, None, talks, theirs).then_refused("to terms")
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, None, talks, agreed).then(
        replace(drafted, opportunity_id=None, negotiation_id=talks, agreed_price=Decimal(400_000))
    )


def test_2_2_3_c_what_was_negotiated_is_not_drafted_past_its_negotiation() -> None:
    first, second = NegotiationId("negotiation-1"), NegotiationId("negotiation-2")
    agreed = AgreedTerms(
        negotiation_id=second, opportunity_id=DEAL, customer_id=ACME, price=Decimal(400_000), payment_days=30
    )
    talks = OpportunityTalks(opportunity_id=DEAL, opened=(first,))
    for named in ((None, None, talks), (second, agreed, talks)):
        given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, DEAL, *named).then_refused("names the neg")
    elsewhere = replace(agreed, opportunity_id=OpportunityId("opportunity-2"))
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, DEAL, second, elsewhere).then_refused("another")
    both, none = replace(talks, opened=(first, second)), replace(talks, opened=())
    as_agreed = replace(drafted, negotiation_id=second, agreed_price=Decimal(400_000))
    for about in ((DEAL, second, agreed, both), (None, second, agreed)):
        given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, *about).then(as_agreed)
    given(Contract).when(Contract.draft, SELLER, ACME, terms, customer, DEAL, None, None, none).then(drafted)


def test_2_2_3_c_nor_approved_where_the_negotiation_was_opened_after_the_draft() -> None:
    talks = OpportunityTalks(opportunity_id=DEAL, opened=(NegotiationId("negotiation-1"),))
    as_agreed = replace(drafted, negotiation_id=talks.opened[0])
    drafts = [given(Contract, draft) for draft in (drafted, as_agreed)]
    past, kept = (draft.when(Contract.approve, DEPUTY, TEXT, cleared, customer, limits, talks) for draft in drafts)
    past.then_refused("names the negotiation")
    kept.then(approved)


def test_3_1_3_c_no_version_is_over_less_than_was_agreed() -> None:
    talks, refused = NegotiationId("negotiation-1"), "came to 400000"
    agreed = AgreedTerms(negotiation_id=talks, customer_id=ACME, price=Decimal(400_000), payment_days=30)
    less, more = of_amount(399_999, OTHER), of_amount(400_001, OTHER)
    given(Contract).when(Contract.draft, SELLER, ACME, less, customer, None, talks, agreed).then_refused(refused)
    begun = replace(drafted, negotiation_id=talks, agreed_price=Decimal(400_000))
    given(Contract, begun).when(Contract.redraft, SELLER, less, cleared).then_refused(refused)
    given(Contract, begun).when(Contract.redraft, SELLER, more, cleared).then(
        ContractRedrafted(customer_id=ACME, terms=more, drafted_by=(ANNA,))
    )


def test_after_a_merger_the_customer_that_goes_on_signs_what_the_other_file_agreed_to() -> None:
    old, talks = CustomerId("customer-old"), NegotiationId("negotiation-1")
    agreed = AgreedTerms(negotiation_id=talks, customer_id=old, price=Decimal(400_000), payment_days=30)
    goes_on = replace(customer, files=(old,))
    given(Contract).when(Contract.draft, SELLER, ACME, terms, goes_on, None, talks, agreed).then(
        replace(drafted, opportunity_id=None, negotiation_id=talks, agreed_price=Decimal(400_000))
    )


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        (replace(terms, amount=Decimal(400_001)), "come to 400000, and not to 400001"),
        (replace(terms, amount=Decimal(0), payments=()), "more than zero"),
        (replace(terms, amount=Decimal("NaN"), payments=()), "more than zero"),
        (replace(terms, ends=date(2026, 2, 28)), "ends on 2026-03-01 at the earliest"),
        (replace(terms, payments=(terms.payments[0],) * 4), "stand there twice: a"),
        (replace(terms, obligations=terms.obligations * 2), "stand there twice: 1"),
        *((numbered(number), "is numbered by letters") for number in ("", "第一期", "a/b", "a" * 41)),
    ],
)
def test_terms_that_contradict_themselves_are_refused(wrong: Terms, because: str) -> None:
    given(Contract).when(Contract.draft, SELLER, ACME, wrong, customer).then_refused(because)
    given(Contract, drafted).when(Contract.redraft, SELLER, wrong, cleared).then_refused(because)


# From review to signature


def test_3_1_3_c_what_was_reviewed_and_approved_is_signed() -> None:
    given(Contract, drafted).when(Contract.approve, DEPUTY, TEXT, cleared, customer, limits).then(approved)
    given(Contract, drafted, approved).when(Contract.sign, **signing()).then(signed)


def test_5_2_4_a_nothing_is_approved_or_signed_that_counsel_has_not_let_pass() -> None:
    nothing = LegalClearance(contract_id=THIS)
    refused = "This very text has not passed legal review."
    given(Contract, drafted).when(Contract.approve, DEPUTY, TEXT, nothing, customer, limits).then_refused(refused)
    given(Contract, drafted, approved).when(Contract.sign, **signing(clearance=nothing)).then_refused(refused)


def test_a_new_draft_takes_a_new_review_and_a_new_approval() -> None:
    redrafted = ContractRedrafted(customer_id=ACME, terms=other, drafted_by=(ANNA,))
    history = (drafted, approved, redrafted)
    given(Contract, *history).when(Contract.sign, **signing()).then_refused("The text has changed")
    given(Contract, *history).when(Contract.sign, **signing(content=OTHER)).then_refused("not passed legal review")
    both = LegalClearance(contract_id=THIS, passed={TEXT: (WANG,), OTHER: (WANG,)})
    given(Contract, *history).when(Contract.sign, **signing(content=OTHER, clearance=both)).then_refused(
        "been approved"
    )


def test_3_1_3_c_one_file_says_one_thing_so_that_its_hash_stands_for_the_terms() -> None:
    refused = "what says something else is another file"
    given(Contract, drafted).when(Contract.redraft, SELLER, of_amount(1), cleared).then_refused(refused)
    history = (drafted, ContractRedrafted(customer_id=ACME, terms=other, drafted_by=(ANNA,)))
    given(Contract, *history).when(Contract.redraft, SELLER, of_amount(1), cleared).then_refused(refused)
    given(Contract, drafted, signed).when(Contract.amend, SELLER, of_amount(9_000_000), cleared, unbilled).then_refused(
        refused
    )


def test_nothing_is_approved_or_signed_with_a_customer_blocked_meanwhile() -> None:
    blocked = replace(customer, blocked=True)
    given(Contract, drafted).when(Contract.approve, DEPUTY, TEXT, cleared, blocked, limits).then_refused("blocked")
    given(Contract, drafted, approved).when(Contract.sign, **signing(customer=blocked)).then_refused("blocked")


def test_giving_up_what_is_signed_is_decided_like_the_whole_of_it() -> None:
    large = replace(drafted, terms=of_amount(900_000))
    amendment = ContractAmendmentDrafted(customer_id=ACME, terms=of_amount(1, OTHER), drafted_by=(ANNA,))
    both = LegalClearance(contract_id=THIS, passed={OTHER: (WANG,)})
    given(Contract, large, signed, amendment).when(
        Contract.approve, DEPUTY, OTHER, both, customer, limits
    ).then_refused("Only the manager decides")


def test_whoever_let_a_text_pass_does_not_draft_it_afterwards() -> None:
    counsel = Actor(id=WANG, roles=frozenset({Role.BUSINESS_DEVELOPMENT}))
    refused = "Whoever reviewed this text"
    given(Contract, drafted).when(Contract.redraft, counsel, terms, cleared).then_refused(refused)
    given(Contract, drafted, signed).when(Contract.amend, counsel, terms, cleared, unbilled).then_refused(refused)


def test_who_drafted_the_first_version_does_not_decide_on_the_next() -> None:
    amendment = ContractAmendmentDrafted(customer_id=ACME, terms=other, drafted_by=(ANNA,))
    history = (replace(drafted, drafted_by=(BORIS,)), approved, signed, amendment)
    both = LegalClearance(contract_id=THIS, passed={OTHER: (WANG,)})
    given(Contract, *history).when(Contract.approve, DEPUTY, OTHER, both, customer, limits).then_refused(
        "Whoever drafted"
    )


def test_the_same_text_again_still_takes_a_new_approval() -> None:
    again = ContractRedrafted(customer_id=ACME, terms=terms, drafted_by=(ANNA,))
    given(Contract, drafted, approved, again).when(Contract.sign, **signing()).then_refused("not been approved")


@pytest.mark.parametrize(
    "author", [DEPUTY, replace(DEPUTY, id=WANG, delegation=Delegation(number=Code("D-1"), grantor_id=BORIS))]
)
def test_whoever_drafted_any_of_it_neither_approves_nor_signs(author: Actor) -> None:
    by_the_deputy = ContractRedrafted(customer_id=ACME, terms=terms, drafted_by=(BORIS,))
    for history in ((replace(drafted, drafted_by=(BORIS,)),), (drafted, by_the_deputy), (by_the_deputy, drafted)):
        given(Contract, *history).when(Contract.approve, author, TEXT, cleared, customer, limits).then_refused(
            "Whoever drafted"
        )
        given(Contract, *history, approved).when(Contract.sign, **signing(author)).then_refused("Whoever drafted")
        given(Contract, *history).when(Contract.return_draft, author, WHY).then_refused("Whoever drafted")


@pytest.mark.parametrize(
    ("by", "amount", "may"), [(DEPUTY, 500_000, True), (DEPUTY, 500_001, False), (MANAGER, 500_001, True)]
)
def test_the_amount_says_who_may(by: Actor, amount: int, may: bool) -> None:
    draft = replace(drafted, terms=of_amount(amount))
    ok = ContractApproved(customer_id=ACME, content=TEXT, amount=Decimal(amount), approved_by=(EmployeeId(by.id),))
    rich = replace(good, limit=Decimal(10**9))
    approving = given(Contract, draft).when(Contract.approve, by, TEXT, cleared, customer, limits)
    signing_it = given(Contract, draft, ok).when(Contract.sign, **signing(by, credit=rich))
    ending = given(Contract, draft, ok, replace(signed, amount=Decimal(amount)))
    ending_it = ending.when(Contract.terminate, by, WHY, limits)
    if may:
        approving.then(ok)
        signing_it.then(replace(signed, amount=Decimal(amount), signed_by=(EmployeeId(by.id),)))
        ending_it.then(ContractTerminated(customer_id=ACME, reason=WHY))
    else:
        ending_it.then_refused("Only the manager decides on more than 500000")
        approving.then_refused("Only the manager decides on more than 500000")
        signing_it.then_refused("Only the manager decides on more than 500000")


# Credit


@pytest.mark.parametrize(
    "credit",
    [
        CreditStanding(customer_id=ACME),
        replace(good, limit=Decimal(399_999)),
        replace(good, exposure=Decimal(100_001)),
        replace(good, valid_until=MONDAY),
        replace(good, suspended=True),
        replace(
            good,
            exposure=Decimal(200_000),
            overrides={THIS: Override(amount=Decimal(99_999), until=MONDAY + timedelta(1))},
        ),
        replace(good, exposure=Decimal(200_000), overrides={THIS: Override(amount=Decimal(100_000), until=MONDAY)}),
        replace(
            good,
            exposure=Decimal(200_000),
            overrides={ContractId("contract-2"): Override(amount=Decimal(10**6), until=MONDAY + timedelta(1))},
        ),
    ],
)
def test_5_2_2_a_nobody_signs_past_the_customers_credit(credit: CreditStanding) -> None:
    given(Contract, drafted, approved).when(Contract.sign, **signing(credit=credit)).then_refused("ask for an override")


def test_an_override_for_this_contract_lets_it_be_signed() -> None:
    leave = Override(amount=Decimal(400_000), until=MONDAY + timedelta(seconds=1))
    credit = CreditStanding(customer_id=ACME, overrides={THIS: leave})
    given(Contract, drafted, approved).when(Contract.sign, **signing(credit=credit)).then(signed)
    beyond = replace(good, exposure=Decimal(200_000), overrides={THIS: replace(leave, amount=Decimal(100_000))})
    given(Contract, drafted, approved).when(Contract.sign, **signing(credit=beyond)).then(signed)


def test_an_override_is_used_up_by_what_is_signed() -> None:
    leave = Override(amount=Decimal(400_000), until=MONDAY + timedelta(days=1))
    used = CreditStanding(customer_id=ACME, exposure=Decimal(400_000), overrides={THIS: leave})
    more = of_amount(400_001, OTHER)
    amendment = ContractAmendmentDrafted(customer_id=ACME, terms=more, drafted_by=(ANNA,))
    ok = ContractApproved(customer_id=ACME, content=OTHER, amount=Decimal(400_001), approved_by=(BORIS,))
    both = LegalClearance(contract_id=THIS, passed={OTHER: (WANG,)})
    given(Contract, drafted, signed, amendment, ok).when(
        Contract.sign, **signing(content=OTHER, clearance=both, credit=used)
    ).then_refused("this adds 1")


# In force


def test_3_1_4_a_what_is_signed_is_handed_over_and_accepted_or_returned() -> None:
    given(Contract, drafted).when(Contract.hand_over, WHY).then_refused("Only a signed contract")
    given(Contract, drafted, signed).when(Contract.hand_over, WHY).then(handed_over)
    given(Contract, drafted, signed).when(Contract.accept_handover).then_refused("not been handed over")
    offered = (drafted, signed, handed_over)
    given(Contract, *offered).when(Contract.hand_over, WHY).then_refused("already")
    given(Contract, *offered).when(Contract.accept_handover).then(ContractHandoverAccepted())
    returned = ContractHandoverReturned(reason=WHY)
    given(Contract, *offered).when(Contract.return_handover, WHY).then(returned)
    given(Contract, *offered, returned).when(Contract.hand_over, WHY).then(handed_over)
    given(Contract, *offered, ContractHandoverAccepted()).when(Contract.return_handover, WHY).then_refused("not been")


def test_what_is_promised_is_fulfilled_once() -> None:
    done = ContractObligationFulfilled(number=Code("1"), evidence=WHY)
    given(Contract, drafted, signed).when(Contract.fulfil_obligation, Code("1"), WHY).then(done)
    given(Contract, drafted, signed, done).when(Contract.fulfil_obligation, Code("1"), WHY).then_nothing()
    given(Contract, drafted, signed).when(Contract.fulfil_obligation, Code("9"), WHY).then_refused("no obligation 9")


def test_an_amendment_is_reviewed_approved_and_signed_like_the_first_text_and_only_what_it_adds_is_owed_anew() -> None:
    more = replace(
        other,
        amount=Decimal(450_000),
        payments=(*terms.payments, Instalment(number=Code("c"), amount=Decimal(50_000), due=date(2026, 10, 1))),
    )
    amendment = ContractAmendmentDrafted(customer_id=ACME, terms=more, drafted_by=(ANNA,))
    given(Contract, drafted, signed).when(Contract.amend, SELLER, more, cleared, unbilled).then(amendment)
    history = (drafted, approved, signed, amendment)
    both = LegalClearance(contract_id=THIS, passed={TEXT: (WANG,), OTHER: (WANG,)})
    ok = ContractApproved(customer_id=ACME, content=OTHER, amount=Decimal(450_000), approved_by=(BORIS,))
    given(Contract, *history).when(Contract.sign, **signing(content=OTHER, clearance=both)).then_refused(
        "been approved"
    )
    owing = replace(good, exposure=Decimal(450_000))
    now = signing(content=OTHER, clearance=both, credit=owing)
    amended = ContractAmended(customer_id=ACME, content=OTHER, amount=Decimal(450_000), signed_by=(BORIS,))
    given(Contract, *history, ok).when(Contract.sign, **now).then(amended)
    too_much = now | {"credit": replace(good, exposure=Decimal(450_001))}
    given(Contract, *history, ok).when(Contract.sign, **too_much).then_refused("this adds 50000")
    after = recall(Contract, (*history, ok, amended))
    assert (after.terms, after.proposed) == (more, None)


def test_what_is_promised_cannot_be_left_out_of_an_amendment() -> None:
    less = replace(other, obligations=())
    given(Contract, drafted, signed).when(Contract.amend, SELLER, less, cleared, unbilled).then_refused(
        "cannot be left out: 1"
    )
    same_number = replace(other, payments=(replace(terms.payments[0], number=Code("1"), amount=Decimal(400_000)),))
    given(Contract, drafted, signed).when(Contract.amend, SELLER, same_number, cleared, unbilled).then_refused(
        "cannot be left out: a, b"
    )


def test_what_is_claimed_already_is_not_amended() -> None:
    first, second = terms.payments
    later = replace(other, payments=(replace(first, due=date(2026, 5, 1)), second))
    billed = replace(unbilled, numbers=(Code("a"),))
    given(Contract, drafted, signed).when(Contract.amend, SELLER, later, cleared, billed).then_refused(
        "claimed already and stay as they are: a"
    )
    amendment = ContractAmendmentDrafted(customer_id=ACME, terms=later, drafted_by=(ANNA,))
    given(Contract, drafted, signed).when(Contract.amend, SELLER, later, cleared, unbilled).then(amendment)
    given(Contract, drafted, signed).when(
        Contract.amend, SELLER, later, cleared, replace(unbilled, numbers=(Code("b"),))
    ).then(amendment)


def test_it_ends_before_its_time_or_when_the_time_is_over() -> None:
    over = datetime(2027, 3, 1, tzinfo=UTC)
    expired = ContractExpired(customer_id=ACME)
    given(Contract, drafted, signed).when(Contract.expire, over - timedelta(seconds=1)).then_nothing()
    given(Contract, drafted, signed).when(Contract.expire, over).then(expired)
    given(Contract, drafted, signed, expired).when(Contract.expire, over).then_nothing()
    given(Contract, drafted, signed).when(Contract.terminate, DEPUTY, WHY, limits).then(
        ContractTerminated(customer_id=ACME, reason=WHY)
    )
    given(Contract, drafted, signed, expired).when(Contract.terminate, DEPUTY, WHY, limits).then_refused("in force")


def test_before_the_signature_it_is_returned_or_given_up() -> None:
    returned = ContractReturned(reason=WHY)
    given(Contract, drafted).when(Contract.return_draft, DEPUTY, WHY).then(returned)
    given(Contract, drafted, approved, returned).when(Contract.sign, **signing()).then_refused("not been approved")
    given(Contract, drafted).when(Contract.void, WHY).then(ContractVoided(reason=WHY))
    given(Contract, drafted, signed).when(Contract.void, WHY).then_refused("terminate")
    given(Contract, drafted, ContractVoided(reason=WHY)).when(Contract.redraft, SELLER, terms, cleared).then_refused(
        "Only a draft"
    )


EVENTS: list[ContractEvent] = [
    drafted, ContractRedrafted(customer_id=ACME, terms=other, drafted_by=(BORIS,)), approved,
    ContractReturned(reason=WHY),
    ContractVoided(reason=WHY), signed, handed_over, ContractHandoverAccepted(), ContractHandoverReturned(reason=WHY),
    ContractObligationFulfilled(number=Code("1"), evidence=WHY),
    ContractAmendmentDrafted(customer_id=ACME, terms=other, drafted_by=(ANNA,)),
    ContractAmended(customer_id=ACME, content=OTHER, amount=Decimal(1), signed_by=(BORIS,)),
    ContractTerminated(customer_id=ACME, reason=WHY), ContractExpired(customer_id=ACME),
]  # fmt: skip


@hypothesis.given(st.lists(st.sampled_from(EVENTS), max_size=20))
def test_any_order_of_events_is_borne(history: list[Event]) -> None:
    assert {type(event) for event in EVENTS} == events_of(Contract)
    recall(Contract, history)


@hypothesis.given(st.lists(st.sampled_from(EVENTS), max_size=20), st.sampled_from([TEXT, OTHER]))
def test_whatever_happened_nothing_is_signed_but_what_is_proposed_approved_and_reviewed(
    history: list[Event], content: ContentHash
) -> None:
    state = recall(Contract, history)
    try:
        state.sign(**signing(MANAGER, content))
    except Exception:  # any refusal will do
        return
    assert state.proposed is not None
    assert state.approval is not None
    assert content == state.proposed.content == state.approval.content
    assert content in cleared.passed
    assert LI not in state.authors
