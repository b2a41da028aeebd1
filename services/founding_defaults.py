"""The values that the parameters have on the day of the founding: proposals, until the manager approves others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from aggregates.facts import Quantity, Unit
from aggregates.organisation.parameter import PolicyParameterDefined
from aggregates.text import Code
from aggregates.value import Value


class DefaultParameter(Value):
    """A parameter before there is a day from which on it holds. One that has a single value calls it `limit`."""

    number: Code
    meaning: Code
    values: Mapping[Code, Quantity]

    def defined(self, valid_from: datetime) -> PolicyParameterDefined:
        """The event that begins its history."""
        return PolicyParameterDefined(
            number=self.number, meaning=self.meaning, values=self.values, valid_from=valid_from
        )


def _parameter(number: str, meaning: str, **values: Quantity) -> DefaultParameter:
    named = {Code(name): value for name, value in values.items()}
    return DefaultParameter(number=Code(number), meaning=Code(meaning), values=named)


def _of(amount: int | str, unit: Unit) -> Quantity:
    return Quantity(amount=Decimal(amount), unit=unit)


def _wh(amount: int) -> Quantity:
    return _of(amount, Unit.WORKING_HOUR)


def _wd(amount: int) -> Quantity:
    return _of(amount, Unit.WORKING_DAY)


def _days(amount: int) -> Quantity:
    return _of(amount, Unit.DAY)


def _months(amount: int) -> Quantity:
    return _of(amount, Unit.MONTH)


def _years(amount: int) -> Quantity:
    return _of(amount, Unit.YEAR)


def _percent(amount: int) -> Quantity:
    return _of(amount, Unit.PERCENT)


def _count(amount: int) -> Quantity:
    return _of(amount, Unit.COUNT)


def _money(amount: int) -> Quantity:
    return _of(amount, Unit.MONEY)


# One line each, so that the table can be read beside the regulation.
# fmt: off
DEFAULT_PARAMETERS: tuple[DefaultParameter, ...] = (
    _parameter("P-01", "Inquiry: first response, answer", first_response=_wh(1), answer=_wd(1)),
    _parameter("P-02", "Complaint: acknowledged", limit=_wh(4)),
    _parameter("P-03", "Complaint: classified, given to a department, measures decided", limit=_wd(1)),
    _parameter("P-04", "Complaint: longest silence towards the customer", limit=_wd(3)),
    _parameter("P-05", "Complaint: resolved, by severity", S1=_wd(2), S2=_wd(5), S3=_wd(10), S4=_wd(20)),
    _parameter("P-06", "Complaint: wait for the customer's word, reminders", wait=_days(7), reminders=_count(2)),
    _parameter("P-07", "Suggestion: sorted, decided by the department", triage=_wd(5), decision=_wd(20)),
    _parameter("P-08", "Return visit: by tier, after a complaint, after acceptance",
               A=_days(30), B=_days(90), C=_days(180), after_complaint=_days(7), after_acceptance=_days(30)),
    _parameter("P-09", "Signed contract: handed over, project decided", handover=_wd(2), decision=_wd(5)),
    _parameter("P-10", "Progress meeting: rhythm, rhythm while red", normal=_days(14), red=_days(7)),
    _parameter("P-11", "Project status: cut-off, stale after", cut_off=_days(7), stale=_days(8)),
    _parameter("P-12", "Project: SPI and CPI below, milestone later than",
               amber_index=_of("0.95", Unit.RATIO), red_index=_of("0.90", Unit.RATIO),
               amber_slip=_wd(5), red_slip=_wd(10)),
    _parameter("P-13", "Project: corrective action planned", limit=_wd(3)),
    _parameter("P-14", "Risk: screening of an area, rhythm", limit=_months(1)),
    _parameter("P-15", "Risk: review, by level",
               very_high=_days(30), high=_days(60), medium=_days(90), low=_days(180), insignificant=_days(365)),
    _parameter("P-16", "Risk: matrix of likelihood and impact", rows=_count(5), columns=_count(5), levels=_count(5)),
    _parameter("P-17", "Warning: issued, acknowledged, action planned",
               issued=_of(60, Unit.SECOND), acknowledged=_wh(4), planned=_wd(2)),
    _parameter("P-18", "Credit: an assessment is good for, by grade",
               A=_months(12), B=_months(12), C=_months(6), D=_months(3)),
    _parameter("P-19", "Receivable: upper ends of the age classes; dunning steps, credit stop; claimed before it is"
               " due, longest promise or pause",
               first_class=_days(30), second_class=_days(60), third_class=_days(90),
               reminder=_days(1), first=_days(15), second=_days(30), final=_days(60), credit_stop=_days(60),
               legal=_days(90), bill=_days(30), hold=_days(30)),
    _parameter("P-20", "Appraisal: weights of the raters, feedback given",
               superior=_percent(60), peer=_percent(20), self=_percent(20), feedback=_wd(10)),
    _parameter("P-21", "Internal training: rhythm, result recorded", rhythm=_months(1), result=_wd(5)),
    _parameter("P-22", "Labour contract: signed; longest probation, by term of the contract",
               signed=_days(30), under_3_months=_months(0), under_1_year=_months(1), under_3_years=_months(2),
               longer=_months(6)),
    _parameter("P-23", "Filing: a contract, other documents", contract=_wd(3), other=_wd(10)),
    _parameter("P-24", "Loan of a document: by secrecy, renewals",
               ordinary=_days(14), confidential=_wd(5), secret=_wd(3), renewals=_count(1)),
    _parameter("P-25", "Backup: rhythm, restore test, longest loss of data, longest outage",
               backup=_days(1), restore_test=_months(3), data_loss=_of(24, Unit.HOUR), outage=_of(8, Unit.HOUR)),
    _parameter("P-26", "Data batch: reviewed; least accuracy, completeness, timeliness",
               review=_wd(2), accuracy=_percent(98), completeness=_percent(99), timeliness=_percent(95)),
    _parameter("P-27", "Approval: decided, then escalated", limit=_wd(3)),
    _parameter("P-28", "Security awareness: after joining, then every", joining=_days(30), rhythm=_years(1)),
    _parameter("P-29", "Access: reviewed every, revoked after leaving", review=_months(3), revocation=_days(0)),
    _parameter("P-30", "Emergency drill: rhythm", limit=_years(1)),
    _parameter("P-31", "Waiver: longest", limit=_days(90)),
    _parameter("P-32", "Regulation: acknowledged", limit=_wd(10)),
    _parameter("P-33", "Monthly analysis: day of the month by which it is published", limit=_wd(5)),
    _parameter("P-34", "Intelligence: fresh for, in a watched segment", limit=_days(30)),
    _parameter("P-35", "Coordination: accepted, answered", accepted=_wd(1), answered=_wd(5)),
    _parameter("P-36", "Retention where it is not permanent, at least", long=_years(30), short=_years(10)),
    _parameter("P-37", "Wage deduction for damage: part of the month's wage, at most", limit=_percent(20)),
    _parameter("P-38", "Complaint: a remedy that costs more is approved by a lead, by the manager",
               lead=_money(1000), manager=_money(10000)),
    _parameter("P-39", "Contract: approved and signed by a deputy up to", deputy=_money(500000)),
    _parameter("P-40", "Credit: a limit, or going beyond it, is approved by a deputy up to", deputy=_money(300000)),
    _parameter("P-41", "Customer file: complete enough to qualify an opportunity", score=_percent(80)),
    _parameter("P-42", "Legal review: a simple text, a complex one", simple=_wd(3), complex=_wd(5)),
    _parameter("P-43", "Legal consultation: answered", limit=_wd(3)),
    _parameter("P-44", "Research: cited by a plan for", limit=_months(12)),
    _parameter("P-45", "Negotiation: a brief is approved by a deputy up to", deputy=_money(500000)),
    _parameter("P-46", "Credit scorecard: weight of each factor, least score of each grade",
               payment_history=_percent(40), financial_strength=_percent(30), relationship=_percent(15),
               market_standing=_percent(15), A=_count(80), B=_count(65), C=_count(50)),
)
# fmt: on
