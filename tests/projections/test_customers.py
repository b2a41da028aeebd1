"""What a customer's file and our relation to it say after what has happened, and who may be on file twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import psycopg
import pytest
from msgspec.structs import replace

from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    CustomerActivated,
    CustomerBlocked,
    CustomerLost,
    CustomerMarkedDormant,
    CustomerNeedRecorded,
    CustomerProfileChanged,
    CustomerQualified,
    CustomerReactivated,
    CustomerRegistered,
    CustomersMerged,
    CustomerTierAssigned,
    CustomerUnblocked,
    ProspectContacted,
)
from aggregates.business.customer_file import Intent, Phase, Tier
from aggregates.event import Event
from aggregates.facts import CustomerStanding
from aggregates.ids import CampaignId, ContractId, CustomerId, EmployeeId
from aggregates.text import Code, Personal, Text
from projections import likeness, outreach, relations
from projections.customers import CustomerRow, customers
from projections.likeness import Suspicion
from projections.outreach import ChannelFigures
from projections.question import Database
from projections.relations import RelationRow
from projections.row import Row
from tests.given import MONDAY, history, recorded
from tests.projections.tables import filled

T = TypeVar("T")
ANNA = EmployeeId("employee-anna")
WORDS, PHONE, EMAIL, YES, NO = Text("words"), Code("phone"), Code("e-mail"), Code("yes"), Code("no")

registered = CustomerRegistered(name=Text("Acme"), source=Code("fair"))
need = CustomerNeedRecorded(need=WORDS, intent=Intent.MEDIUM)
called = ProspectContacted(channel=PHONE, outcome=YES, wording=WORDS)
activated = CustomerActivated(contract_id=ContractId("contract-1"))


def file(*events: Event, customer: str = "customer-1") -> CustomerRow:
    row = customers.fold(history([registered, *events], stream_id=customer))
    assert row is not None
    return row


def relation(*events: Event, customer: str = "customer-1") -> RelationRow:
    row = relations.relations.fold(history([registered, *events], stream_id=customer))
    assert row is not None
    return row


def asked(url: str, question: Callable[[Database], Awaitable[T]], at_days: int = 0) -> T:
    async def ask() -> T:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            db = Database(connection, at=MONDAY + timedelta(days=at_days))
            db.opener = opened
            return await question(db)

    return asyncio.run(ask())


async def opened(texts: Sequence[Text]) -> list[str | None]:
    return [None if text == "erased" else str(text) for text in texts]


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    kinds = (CustomerRow, RelationRow, outreach.OutreachRow, outreach.TouchRow)
    return lambda *given: filled(empty_database, kinds, given)


# The file


def test_3_1_2_c_the_score_of_a_file_grows_with_what_is_known_and_shrinks_with_what_ends() -> None:
    contact = ContactAdded(contact=Code("C-1"), name=Personal("Lin"))
    told = CustomerProfileChanged(region=Code("north"), segment=Code("heating"), payment_terms=Code("net-30"))
    assert file().file_score == 20
    assert file(need).file_score == file(need, need).file_score == 40
    assert file(need, contact).file_score == 50
    assert file(need, contact, ContactEnded(contact=Code("C-1"))).file_score == 40
    assert file(need, contact, AccountOwnerAssigned(owner_id=ANNA), told).file_score == 90
    assert file(told, CustomerProfileChanged(region=None)).file_score == 40


def test_a_file_says_what_is_needed_what_is_objected_to_and_where_it_went() -> None:
    objected = ContactObjectionRecorded(channel=PHONE), ContactObjectionRecorded()
    row = file(need, *objected)
    assert [(one.need, one.at) for one in row.needs] == [(WORDS, MONDAY)]
    assert row.objects_to == (PHONE, None)
    assert file(*objected, ContactObjectionWithdrawn()).objects_to == (PHONE,)
    assert file(CustomersMerged(into_id=CustomerId("customer-2"))).merged_into == "customer-2"


# How we stand


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ((), Phase.PROSPECT),
        ((CustomerQualified(),), Phase.QUALIFIED),
        ((CustomerQualified(), activated), Phase.ACTIVE),
        ((activated, CustomerLost(reason=WORDS)), Phase.LOST),
    ],
)
def test_2_2_3_b_a_customer_goes_from_prospect_to_active_and_away(events: tuple[Event, ...], phase: Phase) -> None:
    assert relation(*events).phase is phase


def test_a_relation_says_who_it_is_to_us() -> None:
    row = relation(
        need, AccountOwnerAssigned(owner_id=ANNA), CustomerTierAssigned(tier=Tier.A), CustomerBlocked(reason=WORDS)
    )
    assert (row.intent, row.owner_id, row.tier, row.blocked) == (Intent.MEDIUM, ANNA, Tier.A, True)
    assert not relation(CustomerBlocked(reason=WORDS), CustomerUnblocked(reason=WORDS)).blocked


def test_the_standing_of_a_customer_is_made_from_both(rows: Callable[..., str]) -> None:
    into = CustomerId("customer-2")
    happened = (
        need,
        ContactObjectionRecorded(channel=PHONE),
        CustomerBlocked(reason=WORDS),
        CustomersMerged(into_id=into),
    )
    url = rows(file(*happened), relation(*happened))
    assert asked(url, lambda db: relations.standing(db, CustomerId("customer-1"))) == CustomerStanding(
        customer_id=CustomerId("customer-1"), file_score=40, blocked=True, merged_into=into, objects_to=(PHONE,)
    )
    nobody = CustomerId("customer-9")
    assert asked(url, lambda db: relations.standing(db, nobody)) == CustomerStanding(customer_id=nobody)


def test_3_1_2_c_the_standing_of_a_merged_file_names_the_one_that_goes_on_and_its_score(
    rows: Callable[..., str],
) -> None:
    one, two, three = (CustomerId(f"customer-{n}") for n in (1, 2, 3))
    bare = replace(file(), customer_id=three)
    url = rows(
        file(need, CustomersMerged(into_id=two)),
        replace(file(CustomersMerged(into_id=three)), customer_id=two),
        bare,
        relation(CustomersMerged(into_id=two)),
    )
    found = asked(url, lambda db: relations.standing(db, one))
    assert (found.merged_into, found.goes_on_as, found.file_score) == (three, three, bare.file_score)
    assert file(need).file_score != bare.file_score


def test_2_2_3_b_whom_we_have_not_spoken_to_for_long_comes_first(rows: Callable[..., str]) -> None:
    spoken = recorded(called, stream_id="customer-1", at=MONDAY + timedelta(days=20))
    lost = relation(CustomerLost(reason=WORDS), customer="customer-3")
    ended = relation(CustomersMerged(into_id=CustomerId("customer-1")), customer="customer-4")
    one = relations.relations.fold([*history([registered], stream_id="customer-1"), spoken])
    assert one is not None
    url = rows(one, relation(customer="customer-2"), lost, ended)
    silent = sorted(asked(url, relations.silence, at_days=50), key=lambda one: one.since)
    assert [(one.customer_id, one.days) for one in silent] == [("customer-2", 50), ("customer-1", 30)]
    only = asked(url, lambda db: relations.silence(db, at_least_days=31), at_days=50)
    assert [one.customer_id for one in only] == ["customer-2"]


def test_2_2_3_b_a_dormant_customer_is_active_again_once_it_is_taken_up() -> None:
    asleep = relation(activated, CustomerMarkedDormant(reason=WORDS))
    awake = relation(activated, CustomerMarkedDormant(reason=WORDS), CustomerReactivated())
    assert (asleep.phase, awake.phase) == (Phase.DORMANT, Phase.ACTIVE)
    assert awake.contract_id == activated.contract_id


def test_the_funnel_counts_every_phase(rows: Callable[..., str]) -> None:
    url = rows(
        relation(customer="customer-1"), relation(customer="customer-2"), relation(activated, customer="customer-3")
    )
    assert [(f.phase, f.customers) for f in asked(url, relations.funnel)] == [
        (Phase.PROSPECT, 2), (Phase.QUALIFIED, 0), (Phase.ACTIVE, 1), (Phase.DORMANT, 0), (Phase.LOST, 0),
    ]  # fmt: skip


def test_3_1_2_b_the_mix_of_channels_says_what_each_yields(rows: Callable[..., str]) -> None:
    def approached(customer: str, *contacts: ProspectContacted) -> Row:
        row = outreach.outreach.fold(history(contacts, stream_id=customer))
        assert row is not None
        return row

    refused = ProspectContacted(channel=PHONE, outcome=NO, wording=WORDS)
    mailed = ProspectContacted(channel=EMAIL, outcome=NO, wording=WORDS, campaign_id=CampaignId("campaign-1"))
    url = rows(
        relation(activated, customer="customer-1"),
        relation(customer="customer-2"),
        approached("customer-1", called, refused),
        approached("customer-2", called),
        approached("customer-2", mailed),
    )
    by_mail = ChannelFigures(channel=EMAIL, contacts=1, customers=1, active=0, outcomes={NO: 1})
    by_phone = ChannelFigures(channel=PHONE, contacts=3, customers=2, active=1, outcomes={YES: 2, NO: 1})
    assert asked(url, outreach.mix) == [by_phone, by_mail]
    assert asked(url, lambda db: outreach.mix(db, CampaignId("campaign-1"))) == [by_mail]


def test_2_2_3_b_each_contact_is_told_of_whichever_file_of_the_customer_it_was_noted_in(
    rows: Callable[..., str],
) -> None:
    def touched(customer: str, event: ProspectContacted, position: int) -> Row:
        (record,) = history([event], stream_id=customer)
        row = outreach.touches.fold([replace(record, position=position)])
        assert row is not None
        return row

    within = replace(called, campaign_id=CampaignId("campaign-1"), next_step=WORDS)
    url = rows(
        replace(file(), customer_id=CustomerId("customer-2"), merged_into=CustomerId("customer-1")),
        replace(file(), customer_id=CustomerId("customer-1")),
        touched("customer-1", called, 7),
        touched("customer-2", within, 8),
        touched("customer-3", called, 9),
    )
    both = asked(url, lambda db: outreach.history(db, CustomerId("customer-1")))
    assert {(one.customer_id, one.position, one.next_step) for one in both} == {
        ("customer-1", "7", None),
        ("customer-2", "8", WORDS),
    }
    (only,) = asked(url, lambda db: outreach.history(db, campaign_id=CampaignId("campaign-1")))
    assert only.position == "8"


# On file twice


def named(number: int, name: str, code: str | None = None, *more: Event) -> CustomerRow:
    told = CustomerRegistered(name=Text(name), source=Code("fair"), credit_code=None if code is None else Code(code))
    row = customers.fold(history([told, *more], stream_id=f"customer-{number}"))
    assert row is not None
    return row


def pairs(found: list[Suspicion]) -> list[tuple[str, str]]:
    return [(one.customer_id[-1], one.other_id[-1]) for one in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme Corporation", "ACME Corp."),
        ("Can City", "Cancity"),
        ("北京华源热力有限公司", "北京华源热力股份有限公司"),
        ("Heating North", "North Heating Ltd"),
        ("Technology House", "Technolgy House"),
    ],
)
def test_3_1_2_c_names_that_read_alike_are_suspected(rows: Callable[..., str], one: str, other: str) -> None:
    url = rows(named(1, one), named(2, other), named(3, "Quite another"), named(4, "erased"))
    assert pairs(asked(url, likeness.duplicates)) == [("1", "2")]


@pytest.mark.parametrize(
    ("one", "other"),
    [("上海有限公司", "北京有限公司"), ("Betasoloin", "Betatech"), ("Co", "Ltd"), ("erased", "erased")],
)
def test_and_no_others(rows: Callable[..., str], one: str, other: str) -> None:
    assert asked(rows(named(1, one), named(2, other)), likeness.duplicates) == []


def test_the_same_organisation_is_suspected_wherever_it_is_registered(rows: Callable[..., str]) -> None:
    url = rows(named(1, "One", "91350100M000100Y43"), named(2, "Two", "91110000M000100Y4X"), named(3, "Three"))
    (found,) = asked(url, likeness.duplicates)
    assert (pairs([found]), found.same_organisation) == ([("1", "2")], True)


def test_a_merged_file_is_suspected_no_longer_and_one_file_may_be_asked_about(rows: Callable[..., str]) -> None:
    gone = CustomersMerged(into_id=CustomerId("customer-1"))
    url = rows(named(1, "Acme"), named(2, "Acme", None, gone), named(3, "Acme"), named(4, "Bolt"), named(5, "Bolt"))
    assert pairs(asked(url, likeness.duplicates)) == [("1", "3"), ("4", "5")]
    assert pairs(asked(url, lambda db: likeness.duplicates(db, CustomerId("customer-5")))) == [("5", "4")]
