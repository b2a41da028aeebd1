"""Opportunity: worth our work when the file is complete enough, won by a signed contract, lost for a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import hypothesis
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business.opportunity import (
    CloseDateForecast,
    NeedsConfirmed,
    Opportunity,
    OpportunityAbandoned,
    OpportunityAssigned,
    OpportunityIdentified,
    OpportunityLost,
    OpportunityMoved,
    OpportunityQualified,
    OpportunityReopened,
    OpportunityWon,
    Stage,
    StageChanged,
    ValueEstimated,
)
from aggregates.event import Event, events_of, recall
from aggregates.facts import (
    ContractStanding,
    CustomerStanding,
    OpportunityStanding,
    OpportunityTalks,
    Post,
    Quantity,
    Setting,
    Unit,
)
from aggregates.ids import ContractId, CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.text import Code, Text
from tests.given import Given, given

ANNA, BEN = EmployeeId("employee-anna"), EmployeeId("employee-ben")
ACME, OTHER = CustomerId("customer-acme"), CustomerId("customer-other")
THIS, DEAL = OpportunityId("opportunity-1"), ContractId("contract-1")
WORDS, BOILER, PRICE = Text("words"), Code("boiler"), Code("price")
SELLER = Actor(id=ANNA, roles=frozenset({Role.BUSINESS_DEVELOPMENT, Role.EMPLOYEE}))
MILLION, JUNE = Decimal(1_000_000), date(2026, 6, 30)

identified = OpportunityIdentified(customer_id=ACME, product=BOILER, owner_id=ANNA)
needs = NeedsConfirmed(customer_id=ACME, statement=WORDS, confirmed_by=WORDS)
qualified = OpportunityQualified(customer_id=ACME)
lost = OpportunityLost(reason=PRICE)
abandoned = OpportunityAbandoned(reason=WORDS)
won = OpportunityWon(customer_id=ACME, contract_id=DEAL, value=MILLION)

customer = CustomerStanding(customer_id=ACME, file_score=80)
merged = CustomerStanding(customer_id=ACME, file_score=80, merged_into=OTHER)
blocked = CustomerStanding(customer_id=ACME, file_score=80, blocked=True)
other = CustomerStanding(customer_id=OTHER)
complete = Setting(number=Code("P-41"), values={Code("score"): Quantity(amount=Decimal(80), unit=Unit.PERCENT)})
signed = ContractStanding(
    contract_id=DEAL,
    customer_id=ACME,
    opportunity_id=THIS,
    amount=MILLION,
    signed_at=datetime(2026, 3, 2, tzinfo=UTC),
)
this = OpportunityStanding(opportunity_id=THIS, customer_id=ACME, open=True)
untalked = OpportunityTalks(opportunity_id=THIS)


def an_opportunity(*more: Event) -> Given[Opportunity]:
    return given(Opportunity, identified, *more)


def selling(who: EmployeeId) -> Post:
    return Post(employee_id=who, roles=frozenset({Role.BUSINESS_DEVELOPMENT}))


# The first sign


def test_2_2_3_b_whoever_sees_an_opportunity_owns_it() -> None:
    given(Opportunity).when(Opportunity.identify, SELLER, ACME, customer, BOILER).then(identified)


def test_or_somebody_else_of_business_development() -> None:
    given(Opportunity).when(
        Opportunity.identify, SELLER, ACME, customer, value=MILLION, owner_id=BEN, owner=selling(BEN)
    ).then(OpportunityIdentified(customer_id=ACME, value=MILLION, owner_id=BEN))
    clerk = Post(employee_id=BEN, roles=frozenset({Role.FINANCE}))
    given(Opportunity).when(Opportunity.identify, SELLER, ACME, customer, owner_id=BEN, owner=clerk).then_refused(
        "from business development"
    )


@pytest.mark.parametrize(
    ("standing", "because"), [(merged, "merged into customer-other: go on there"), (blocked, "is blocked")]
)
def test_none_with_a_customer_with_whom_no_business_is_done(standing: CustomerStanding, because: str) -> None:
    given(Opportunity).when(Opportunity.identify, SELLER, ACME, standing).then_refused(because)
    an_opportunity().when(Opportunity.move, OTHER, standing, customer).then_refused(because)


def test_none_goes_on_with_a_blocked_customer() -> None:
    an_opportunity().when(Opportunity.confirm_needs, WORDS, WORDS, blocked).then_refused("is blocked")
    an_opportunity().when(Opportunity.qualify, blocked, complete).then_refused("is blocked")


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity"])
def test_a_value_is_an_amount(value: str) -> None:
    given(Opportunity).when(Opportunity.identify, SELLER, ACME, customer, value=Decimal(value)).then_refused(
        "zero or more"
    )
    an_opportunity().when(Opportunity.estimate_value, Decimal(value)).then_refused("zero or more")


# Whose it is


def test_an_opportunity_follows_its_customer_into_another_file() -> None:
    an_opportunity().when(Opportunity.move, OTHER, other, merged).then(OpportunityMoved(customer_id=OTHER))


def test_3_1_2_c_after_a_merger_it_moves_with_whatever_is_done_next() -> None:
    moved, qualified = OpportunityMoved(customer_id=OTHER), OpportunityQualified(customer_id=OTHER)
    needs = NeedsConfirmed(customer_id=OTHER, statement=WORDS, confirmed_by=WORDS)
    an_opportunity().when(Opportunity.confirm_needs, WORDS, WORDS, merged).then(moved, needs)
    an_opportunity().when(Opportunity.qualify, merged, complete).then(moved, qualified)
    an_opportunity(moved).when(Opportunity.qualify, replace(other, file_score=80), complete).then(qualified)
    an_opportunity().when(Opportunity.win, DEAL, replace(signed, customer_id=OTHER), replace(merged, files=(OTHER,)),
                          this, untalked).then(moved, replace(won, customer_id=OTHER))  # fmt: skip


def test_and_goes_nowhere_else() -> None:
    an_opportunity().when(Opportunity.move, OTHER, other, customer).then_refused("moves only to the customer that")
    third = CustomerStanding(customer_id=CustomerId("customer-third"))
    an_opportunity().when(Opportunity.move, third.customer_id, third, merged).then_refused("moves only")
    an_opportunity().when(Opportunity.move, ACME, customer, customer).then_nothing()


def test_where_a_source_did_not_know_the_customer_somebody_says_who_it_is() -> None:
    unknown = OpportunityIdentified(customer_id=None, product=BOILER)
    given(Opportunity, unknown).when(Opportunity.move, OTHER, other, None).then(OpportunityMoved(customer_id=OTHER))


def test_another_owner_takes_over() -> None:
    an_opportunity().when(Opportunity.assign_owner, BEN, selling(BEN)).then(OpportunityAssigned(owner_id=BEN))
    an_opportunity().when(Opportunity.assign_owner, ANNA, selling(ANNA)).then_nothing()
    an_opportunity().when(Opportunity.assign_owner, BEN, Post(employee_id=BEN)).then_refused("business development")


# How far it is


def test_3_1_3_a_needs_are_confirmed_by_the_customer_and_each_version_is_kept() -> None:
    an_opportunity().when(Opportunity.confirm_needs, WORDS, WORDS, customer).then(needs)
    an_opportunity(needs).when(Opportunity.confirm_needs, WORDS, WORDS, customer).then(needs)


def test_3_1_3_a_nothing_is_negotiated_before_needs_are_confirmed() -> None:
    an_opportunity().when(Opportunity.change_stage, Stage.NEEDS_CONFIRMED, WORDS).then_refused("its needs first")
    an_opportunity(needs).when(Opportunity.change_stage, Stage.NEGOTIATING, WORDS).then_refused("Open a negotiation")
    an_opportunity(needs).when(Opportunity.negotiate, WORDS).then(StageChanged(stage=Stage.NEGOTIATING, reason=WORDS))


def test_3_1_2_c_an_opportunity_is_qualified_when_the_file_is_complete_enough() -> None:
    an_opportunity().when(Opportunity.qualify, customer, complete).then(qualified)
    an_opportunity(qualified).when(Opportunity.qualify, customer, complete).then_nothing()


def test_3_1_2_c_but_not_before() -> None:
    thin = CustomerStanding(customer_id=ACME, file_score=79)
    an_opportunity().when(Opportunity.qualify, thin, complete).then_refused("complete to 79 %, not to 80 %")


@pytest.mark.parametrize("end", [Stage.WON, Stage.LOST, Stage.ABANDONED])
def test_an_end_is_no_stage_that_one_sets(end: Stage) -> None:
    an_opportunity(needs, qualified).when(Opportunity.change_stage, end, WORDS).then_refused("Win, lose or abandon")


def test_nor_is_what_was_not_reached() -> None:
    an_opportunity().when(Opportunity.change_stage, Stage.QUALIFIED, WORDS).then_refused("Qualify the opportunity")
    an_opportunity().when(Opportunity.change_stage, Stage.NEEDS_CONFIRMED, WORDS).then_refused("its needs first")


def test_it_may_go_back_with_a_reason() -> None:
    negotiating = StageChanged(stage=Stage.NEGOTIATING, reason=WORDS)
    an_opportunity(needs, qualified, negotiating).when(Opportunity.change_stage, Stage.QUALIFIED, WORDS).then(
        StageChanged(stage=Stage.QUALIFIED, reason=WORDS)
    )
    an_opportunity(needs, negotiating).when(Opportunity.negotiate, WORDS).then_nothing()
    an_opportunity(needs, lost).when(Opportunity.negotiate, WORDS).then_nothing()


def test_what_is_negotiated_stays_so_when_needs_are_confirmed_anew() -> None:
    negotiating = StageChanged(stage=Stage.NEGOTIATING, reason=WORDS)
    assert recall(Opportunity, [identified, needs, negotiating, needs, qualified]).stage is Stage.NEGOTIATING


# What is expected of it


def test_its_value_is_estimated() -> None:
    an_opportunity().when(Opportunity.estimate_value, MILLION).then(ValueEstimated(value=MILLION))
    an_opportunity(ValueEstimated(value=MILLION)).when(Opportunity.estimate_value, MILLION).then_nothing()


def test_when_it_will_close_is_forecast() -> None:
    forecast = CloseDateForecast(expected=JUNE, probability=60)
    an_opportunity().when(Opportunity.forecast_close, JUNE, 60).then(forecast)
    an_opportunity(forecast).when(Opportunity.forecast_close, JUNE, 60).then_nothing()
    an_opportunity().when(Opportunity.forecast_close, JUNE, 101).then_refused("between 0 and 100")
    an_opportunity().when(Opportunity.forecast_close, JUNE, -1).then_refused("between 0 and 100")


# Its end


def test_2_2_3_b_it_is_won_by_a_signed_contract_for_the_amount_of_that() -> None:
    an_opportunity().when(Opportunity.win, DEAL, signed, customer, this, untalked).then(won)


@pytest.mark.parametrize(
    ("contract", "because"),
    [
        (ContractStanding(contract_id=DEAL, customer_id=ACME), "contract-1 is not signed"),
        (ContractStanding(contract_id=DEAL, customer_id=OTHER, signed_at=signed.signed_at), "another customer"),
        (
            ContractStanding(
                contract_id=DEAL,
                customer_id=ACME,
                opportunity_id=OpportunityId("opportunity-2"),
                signed_at=signed.signed_at,
            ),
            "another opportunity",
        ),
        (replace(signed, ended_at=signed.signed_at), "contract-1 is over"),
    ],
)
def test_and_by_no_other(contract: ContractStanding, because: str) -> None:
    an_opportunity().when(Opportunity.win, DEAL, contract, customer, this, untalked).then_refused(because)


def test_3_1_3_c_what_was_negotiated_is_won_by_a_contract_that_rests_on_it() -> None:
    talks = replace(untalked, opened=(NegotiationId("negotiation-1"),))
    for contract in (signed, replace(signed, opportunity_id=None)):
        an_opportunity().when(Opportunity.win, DEAL, contract, customer, this, talks).then_refused("past the negot")
        an_opportunity().when(Opportunity.win, DEAL, contract, customer, this, untalked).then(won)
        as_agreed = replace(contract, negotiation_id=talks.opened[0])
        an_opportunity().when(Opportunity.win, DEAL, as_agreed, customer, this, talks).then(won)


def test_after_a_merger_it_is_won_where_it_went() -> None:
    goes_on, moved = replace(other, files=(ACME,)), an_opportunity(OpportunityMoved(customer_id=OTHER))
    moved.when(Opportunity.win, DEAL, signed, goes_on, this, untalked).then(replace(won, customer_id=OTHER))


def test_it_is_lost_for_a_reason_to_somebody() -> None:
    rival = Code("rival")
    an_opportunity().when(Opportunity.lose, PRICE, rival).then(OpportunityLost(reason=PRICE, competitor=rival))
    an_opportunity().when(Opportunity.abandon, WORDS).then(abandoned)


@pytest.mark.parametrize("end", [lost, abandoned])
def test_what_was_lost_is_reopened_where_it_was(end: Event) -> None:
    reopened = OpportunityReopened(reason=WORDS)
    an_opportunity(needs, end).when(Opportunity.reopen, WORDS).then(reopened)
    assert recall(Opportunity, [identified, end, reopened]).stage is Stage.CONTACTED
    assert recall(Opportunity, [identified, needs, end, reopened]).stage is Stage.NEEDS_CONFIRMED
    assert recall(Opportunity, [identified, needs, qualified, end, reopened]).stage is Stage.QUALIFIED


def test_but_neither_what_was_won_nor_what_is_open() -> None:
    an_opportunity(won).when(Opportunity.reopen, WORDS).then_refused("lost or abandoned")
    an_opportunity().when(Opportunity.reopen, WORDS).then_refused("lost or abandoned")


@pytest.mark.parametrize("end", [won, lost, abandoned])
def test_after_its_end_nothing_more_is_done(end: Event) -> None:
    over = an_opportunity(needs, end)
    over.when(Opportunity.move, OTHER, other, merged).then_refused("This opportunity is")
    over.when(Opportunity.assign_owner, BEN, selling(BEN)).then_refused("This opportunity is")
    over.when(Opportunity.confirm_needs, WORDS, WORDS, customer).then_refused("This opportunity is")
    over.when(Opportunity.qualify, customer, complete).then_refused("This opportunity is")
    over.when(Opportunity.change_stage, Stage.CONTACTED, WORDS).then_refused("This opportunity is")
    over.when(Opportunity.estimate_value, MILLION).then_refused("This opportunity is")
    over.when(Opportunity.forecast_close, JUNE, 50).then_refused("This opportunity is")
    over.when(Opportunity.win, DEAL, signed, customer, this, untalked).then_refused("This opportunity is")
    over.when(Opportunity.lose, PRICE).then_refused("This opportunity is")
    over.when(Opportunity.abandon, WORDS).then_refused("This opportunity is")


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Opportunity), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Opportunity, history)
