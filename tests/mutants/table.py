"""The seeded bugs: one small edit each, the test that must fail with it, and what would be lost."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """A bug as somebody might write it: in `file`, `old` becomes `new`. `test` is pytest's name of what catches it."""

    name: str
    file: str
    old: str
    new: str
    test: str
    lost: str

    def applied(self, source: str) -> str:
        """The file with the bug in it; ValueError unless there is exactly one place for it."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} has {source.count(self.old)} places for it, not one")
        return source.replace(self.old, self.new)


APPEND = "infra/migrations/0014_append.sql"
LOST_REPLIES, EVENT_STORE, GUARDS = (
    f"tests/infra/test_{name}.py" for name in ("lost_replies", "event_store", "guards")
)
PARKING, FOLLOWER = (f"tests/infra/read_model/test_{name}.py" for name in ("parking", "follower"))
POLICIES = "tests/services/policies/test_policies.py"

THE_LOG = (
    Mutant(
        "the head is read before it is locked",
        APPEND,
        """\
    UPDATE yewu.head h SET position = h.position + wanted, recorded_at = greatest(clock_timestamp(), h.recorded_at)
 RETURNING h.position - wanted, h.recorded_at INTO STRICT base, recorded;
""",
        """\
    SELECT h.position, greatest(clock_timestamp(), h.recorded_at) INTO STRICT base, recorded FROM yewu.head h;
    UPDATE yewu.head h SET position = base + wanted, recorded_at = recorded;
""",
        f"{EVENT_STORE}::test_readers_who_follow_while_two_processes_write_miss_nothing",
        "Two processes give the same position to two events.",
    ),
    Mutant(
        "the version of a stream is not checked",
        APPEND,
        "IF change_expected <> versions OR base <> only_at THEN",
        "IF base <> only_at THEN",
        f"{EVENT_STORE}::test_two_who_decide_on_the_same_version_at_the_same_moment_are_one_too_many",
        "Two decide on the same state, and both are right.",
    ),
    Mutant(
        "a guard is off by one in the database",
        "infra/migrations/0001_log.sql",
        "ON g.type = e.type AND g.tag = e.tag AND e.position > g.after",
        "ON g.type = e.type AND g.tag = e.tag AND e.position > g.after + 1",
        f"{GUARDS}::test_news_count_from_the_very_next_position_on",
        "What happened right after the facts were read stands against nobody.",
    ),
    Mutant(
        "a guard is off by one in memory",
        "infra/guard_memory.py",
        "                    if position > after:\n",
        "                    if position > after + 1:\n",
        f"{GUARDS}::test_news_count_from_the_very_next_position_on",
        "The same, where the process itself remembers what happened.",
    ),
    Mutant(
        "a reservation is not looked at",
        APPEND,
        "JOIN yewu.reservation v ON v.scope = r.scope AND v.value = r.value\n",
        "JOIN yewu.reservation v ON v.scope = r.scope AND v.value = r.value AND false\n",
        f"{EVENT_STORE}::test_a_value_that_only_one_may_carry_names_its_holder",
        "Two customers have the same credit code.",
    ),
    Mutant(
        "an act may be true after it is recorded",
        APPEND,
        "least(coalesce(e.effective, recorded), recorded)",
        "coalesce(e.effective, recorded)",
        f"{EVENT_STORE}::test_nothing_is_true_later_than_it_is_recorded",
        "A day of the past changes without anybody telling of it.",
    ),
    Mutant(
        "it is acknowledged before it is committed",
        "infra/event_store.py",
        "        if written is None:\n            return False\n",
        "        if written is None:\n            written = Appended(9, 9, None)\n",
        f"{LOST_REPLIES}::test_a_lost_reply_is_neither_a_conflict_nor_a_second_event",
        "Somebody was told that it is on record, and it is not.",
    ),
    Mutant(
        "after a lost reply nobody looks what was written",
        "infra/event_store.py",
        "missing = [waiting for waiting in batch if not await self._found(waiting)]",
        "missing = batch",
        f"{LOST_REPLIES}::test_a_lost_reply_is_neither_a_conflict_nor_a_second_event",
        "An event is written twice, or its author is told that somebody else was faster.",
    ),
    Mutant(
        "an idempotency key is not used",
        "infra/dispatcher.py",
        "uuid4() if order.key is None else uuid5(KEYS,",
        "uuid4() if order.key else uuid5(KEYS,",
        "tests/services/http/test_orders.py::test_the_same_key_gets_the_same_answer_and_one_event",
        "Who asks again because the reply was lost does it twice.",
    ),
    Mutant(
        "the order of times is checked for an act of now",
        "infra/dispatcher.py",
        "            self._check_order(known, effective_at)\n",
        "            pass\n        self._check_order(known, at)\n",
        "tests/services/http/test_orders.py"
        "::test_whoever_is_a_moment_behind_the_database_is_not_told_that_something_later_is_on_record",
        "What follows from an event is refused, because somebody else was quick, and never follows.",
    ),
    Mutant(
        "an older form of an event loses a field on its way",
        "infra/codec.py",
        "                stored = step(stored)\n",
        "                stored = step(dict(list(stored.items())[1:]))\n",
        "tests/infra/test_codec.py::test_every_older_form_is_brought_up_to_date",
        "What was recorded years ago is read without one of its words.",
    ),
)

THE_READ_MODEL = (
    Mutant(
        "the position is saved before the rows",
        "infra/read_model/follower.py",
        "        values = (start, until, as_json(made), as_json(gone))\n",
        "        moved = f'UPDATE {self.schema}.place SET position = {until} WHERE position = {start}'\n"
        "        self.db.execute(moved.encode())\n"
        "        values = (until, until, as_json(made), as_json(gone))\n",
        f"{FOLLOWER}::test_killed_before_a_batch_is_saved_nothing_of_it_is_missing",
        "The rows of a batch are never written, and nobody knows.",
    ),
    Mutant(
        "whoever was overtaken writes all the same",
        "infra/read_model/schema.py",
        "    IF NOT FOUND THEN RETURN false; END IF;\n",
        "",
        f"{FOLLOWER}::test_an_overtaken_follower_writes_nothing_and_goes_on_from_where_the_other_stands",
        "Of two projectors the slower one puts old rows in the place of new ones.",
    ),
    Mutant(
        "two projectors work at once",
        "infra/read_model/projector.py",
        "            if self._lock(db, ALONE):\n                return True\n",
        "            return True\n",
        "tests/infra/read_model/test_projector.py::test_of_two_only_one_is_active_and_the_other_takes_over",
        "Each takes the schema out of the other's hands, again and again.",
    ),
    Mutant(
        "an event that a row cannot take is skipped",
        "infra/read_model/engine.py",
        "parking.meet((slot, key), record, step, problem, has_row=shelf.get(key) is not None)",
        "del problem",
        f"{PARKING}::test_only_the_row_that_cannot_take_an_event_stands_still_and_the_problem_names_nobody",
        "A row is wrong, and looks like any other.",
    ),
    Mutant(
        "a parked row takes what comes later",
        "infra/read_model/engine.py",
        "                if parked and (slot, key) in parked:\n",
        "                if parked and (slot, key) in parked and record.position < 0:\n",
        f"{PARKING}::test_only_the_row_that_cannot_take_an_event_stands_still_and_the_problem_names_nobody",
        "A row goes on from a state that it never had.",
    ),
    Mutant(
        "a day of the past leaves out its last instant",
        "infra/read_model/selection.py",
        "(l.effective_at <= {_literal(self.as_of)}",
        "(l.effective_at < {_literal(self.as_of)}",
        "tests/infra/read_model/test_selection.py::test_what_is_true_at_that_very_instant_counts_for_the_database_too",
        "The board of a day is not what it was at its end.",
    ),
    Mutant(
        "what was known is asked by what was true",
        "infra/read_model/selection.py",
        'f"{limits} AND l.recorded_at <= {_literal(self.known_at)}"',
        'f"{limits} AND l.effective_at <= {_literal(self.known_at)}"',
        "tests/infra/read_model/test_selection.py::test_the_database_is_asked_in_universal_time",
        "What was told late seems to have been known in time.",
    ),
    Mutant(
        "a difference shows nothing that has entered",
        "infra/read_model/difference.py",
        "FULL JOIN {second} b",
        "LEFT JOIN {second} b",
        "tests/services/http/test_differences.py::test_what_entered_since_is_told_with_its_fields",
        "Whoever compares two days does not see what is new.",
    ),
    Mutant(
        "a page begins one row too late",
        "infra/questions.py",
        "last = items[page.limit - 1]",
        "last = items[page.limit]",
        "tests/services/http/test_complaint_desk.py::test_lists_come_in_pages",
        "Between two pages of a list one complaint is seen by nobody.",
    ),
    Mutant(
        "an old delay is forgotten when a case begins again",
        "projections/rules/rule.py",
        "        missed=row.missed,\n",
        "        missed=0,\n",
        "tests/projections/rules/test_service.py"
        "::test_a_reopened_complaint_is_resolved_anew_and_an_old_delay_is_not_forgotten",
        "A breach of the regulation is gone from the record of its case.",
    ),
    Mutant(
        "a reopened complaint has no severity",
        "projections/rules/rule.py",
        "        named=row.named,\n",
        "        named=None,\n",
        "tests/projections/rules/test_service.py"
        "::test_a_reopened_complaint_is_resolved_in_the_time_of_the_severity_last_named",
        "Whoever complains again waits for ever.",
    ),
    Mutant(
        "what waits for a calendar waits for ever",
        "projections/rules/rule.py",
        "step = step if self.within is None else self._by_the_newest_calendar(step)",
        "",
        "tests/projections/rules/test_years_to_come.py"
        "::test_whatever_happens_on_the_case_is_judged_by_the_calendar_published_by_then",
        "Each January nobody is late.",
    ),
    Mutant(
        "whoever is complained about is free to spend",
        "projections/rules/service.py",
        "        RemedyApproved,\n",
        "",
        "tests/projections/rules/test_impartial.py"
        "::test_what_the_gate_keeps_from_whoever_is_complained_about_the_rule_finds",
        "A gate that breaks lets people buy off complaints about themselves, and nobody sees it.",
    ),
    Mutant(
        "the last instant of a time allowed is too late",
        "projections/rules/rule.py",
        "if row.due_at is not None and at > row.due_at:",
        "if row.due_at is not None and at < row.due_at:",
        "tests/projections/rules/test_service.py::test_what_was_too_late_before_it_was_taken_back_stays_so",
        "Somebody is blamed who was in time, and somebody late is not.",
    ),
)

WHO_ASKS = (
    Mutant(
        "the clock speaks without looking at the version",
        "services/policies/clock.py",
        "(Change(row.case_id, version, (entry,)),)",
        "(Change(row.case_id, None, (entry,)),)",
        f"{POLICIES}::test_what_comes_at_the_same_moment_is_not_called_missed",
        "What was done just now is called missed.",
    ),
    Mutant(
        "what the clock says is something later",
        "infra/states.py",
        " if not is_by_nobody(line.meta)]",
        "]",
        f"{POLICIES}::test_what_was_done_in_time_can_be_recorded_after_the_clock_has_spoken",
        "Somebody who was in time stays late for ever.",
    ),
    Mutant(
        "what is waived stands in the way of the clock",
        "services/policies/clock.py",
        "sql.SQL(IS_WAIVED)",
        'sql.SQL("%s > %s")',
        f"{POLICIES}::test_however_much_is_waived_the_clock_speaks_of_the_rest",
        "Two hundred waivers, and nobody is told of anything any more.",
    ),
    Mutant(
        "a policy moves on before its commands are given",
        "services/policies/follower.py",
        """\
        for line in page:
            record = self.runtime.codec.recorded(line)
            with self.runtime.following(record):
                await self._look(record)
        now = page[-1].position if len(page) == PAGE else head
        if now > was and not await self._asked("SELECT yewu.move_policy(%s, %s, %s)", self.policy.name, was, now):
            raise Moved(f"{self.policy.name} is not at {was} any more")
""",
        """\
        now = page[-1].position if len(page) == PAGE else head
        if now > was and not await self._asked("SELECT yewu.move_policy(%s, %s, %s)", self.policy.name, was, now):
            raise Moved(f"{self.policy.name} is not at {was} any more")
        for line in page:
            record = self.runtime.codec.recorded(line)
            with self.runtime.following(record):
                await self._look(record)
""",
        f"{POLICIES}::test_what_could_not_be_done_is_done_the_next_time",
        "The gravest complaint is escalated to nobody.",
    ),
    Mutant(
        "whoever has answered meanwhile is left all the same",
        "aggregates/service/complaint.py",
        "not self.unconfirmed and self.reminders == reminders",
        "not self.unconfirmed",
        "tests/aggregates/test_complaint.py::test_whose_word_has_come_is_not_left_unconfirmed",
        "A customer who has answered, and was offered something else, is given up.",
    ),
    Mutant(
        "what somebody wrote stands in a line of the log",
        "services/http/wire.py",
        "error=type(error).__name__,",
        "error=str(error),",
        "tests/services/http/test_health.py::test_what_nobody_foresaw_is_logged_by_its_place_and_not_by_its_words",
        "A customer's name lies in plain text with whoever keeps the logs.",
    ),
    Mutant(
        "keys are kept while the wrapping key changes",
        "infra/keys.py",
        'for_share=" FOR SHARE"',
        'for_share=""',
        "tests/infra/test_wrapping.py"
        "::test_keys_that_another_process_writes_while_the_wrapping_key_changes_are_not_lost[postgres-added]",
        "The old wrapping key is forgotten, and with it every text of the keys that it wraps.",
    ),
    Mutant(
        "a right on one column is no right",
        "infra/roles.py",
        "WHERE attacl IS NOT NULL",
        "WHERE false",
        "tests/infra/test_roles.py::test_a_right_that_should_not_be_there_is_named",
        "A process writes into the log past the function that numbers it.",
    ),
    Mutant(
        "one address asks nobody for an office",
        "services/http/what_if_routes.py",
        "(await reader_of(self._runtime, self._tokens, request)).scope(READERS)",
        "await reader_of(self._runtime, self._tokens, request)",
        "tests/services/http/test_what_if.py::test_only_who_oversees_may_ask",
        "Anybody with a token reads what only few may.",
    ),
    Mutant(
        "a command asks nobody for an office",
        "infra/dispatcher.py",
        "        if not actors or wanted.isdisjoint(actors[0].roles):\n",
        "        if not actors:\n",
        "tests/services/http/test_access.py::test_whoever_may_does_and_nobody_else[complaint.assess]",
        "A customer does what only the regulation's offices may.",
    ),
    Mutant(
        "a day of the past is shown to whoever asks",
        "services/http/question_routes.py",
        "seen = row if row is None or scope is None or scope.admits(row) else None",
        "seen = row",
        "tests/services/http/test_who_may_read.py::test_of_a_day_in_the_past_too_everybody_sees_only_what_they_may",
        "Somebody reads of yesterday what they may not read of today.",
    ),
    Mutant(
        "a token for somebody else is believed",
        "services/http/tokens.py",
        '"require": ["exp", "iat", "iss", "aud", "sub"]',
        '"require": ["exp", "iat", "iss", "aud", "sub"], "verify_aud": False',
        "tests/services/http/test_tokens.py::test_a_forged_token_is_nobodys[another audience]",
        "A token that was given out for another service opens ours.",
    ),
    Mutant(
        "an importer takes people of two sources for one",
        "services/importing/identities.py",
        '{_drawn(source, kind, label)}"',
        '{_drawn(kind, label)}"',
        "tests/services/importing/test_importer.py::test_people_of_another_source_are_other_people",
        "The cases of one Smith are laid to another's account.",
    ),
)

PARTS = "tests/infra/read_model/test_parts.py"

FROM_KAFKA = (
    Mutant(
        "whoever has a part is believed",
        "infra/read_model/schema.py",
        "    IF held < jsonb_array_length(parts) THEN RETURN false; END IF;\n",
        "",
        f"{PARTS}::test_whoever_was_overtaken_writes_nothing",
        "A process that was frozen writes what it remembers over what others made since.",
    ),
    Mutant(
        "an offset is saved apart from its rows",
        "infra/read_model/parts.py",
        "        values = (as_json(moved), as_json(made), as_json(gone))\n",
        """\
        self.db.execute(self._save_query, (as_json(moved), as_json({}), as_json({})))
        values = (as_json([]), as_json(made), as_json(gone))
""",
        f"{PARTS}::test_a_part_moves_with_its_rows_or_not_at_all",
        "Killed between the two, a process never folds what it had read.",
    ),
    Mutant(
        "a retry leaves no trace",
        "infra/read_model/schema.py",
        "saves = n.saves + 1\n",
        "saves = n.saves + (p.position <> n.position)::int\n",
        f"{PARTS}::test_whatever_somebody_else_folded_again_at_the_same_place_is_not_written_over",
        "Who was frozen before a retry undoes it.",
    ),
    Mutant(
        "the parts of a schema built anew cannot be told from those before",
        "infra/read_model/parts.py",
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        "0",
        f"{PARTS}::test_whoever_holds_parts_of_a_schema_that_was_built_anew_writes_nothing_into_the_new_one",
        "What lies between the new rows and the old place is never folded.",
    ),
    Mutant(
        "a partition is taken for whole as far as the ledger goes",
        "infra/kafka/ledger.py",
        "awaited[0][0] - 1 if awaited else self._last",
        "self._last",
        "tests/infra/kafka/test_ledger.py::test_of_a_torn_transaction_what_is_missing_is_waited_for",
        "The place of the schema passes events that nobody has folded.",
    ),
)

SCENARIO = "tests/acceptance/test_scenario"

SCENARIOS = (
    Mutant(
        "scenario 3: a review of any version will do",
        "projections/rules/contracts.py",
        '    same=dict.fromkeys((LegalReviewPassed, LegalReviewRejected, *SIGNATURES), "content"),\n',
        "",
        f"{SCENARIO}_03.py::test_scenario_03_a_contract_signed_with_a_changed_file_is_found",
        "A file is changed between review and signature, and nobody is told.",
    ),
    Mutant(
        "leave beyond a limit is never used up",
        "aggregates/facts.py",
        "return self.exposure + amount <= (self.limit if good else 0) + (leave or 0)",
        "return amount <= (leave or 0) or self.exposure + amount <= (self.limit if good else 0)",
        "tests/aggregates/test_contract.py::test_an_override_is_used_up_by_what_is_signed",
        "A contract with leave for a thousand grows by a thousand again and again.",
    ),
    Mutant(
        "one file may say two things",
        "aggregates/business/contract.py",
        "if self.texts.get(terms.content, terms) != terms:",
        "if terms.content not in self.texts and terms is None:",
        "tests/aggregates/test_contract.py::test_3_1_3_c_one_file_says_one_thing_so_that_its_hash_stands_for_the_terms",
        "Counsel passes a contract over a million, and one over nine is signed under its hash.",
    ),
    Mutant(
        "what is claimed is forgotten",
        "projections/billing.py",
        "billed=(*row.billed, record.event.instalment)",
        "billed=row.billed",
        "tests/projections/test_billing.py::test_5_2_2_b_the_instalment_due_first_is_claimed_thirty_days_before",
        "The second instalment of a contract is never claimed.",
    ),
    Mutant(
        "scenario 5: what was known when is forgotten",
        "infra/read_model/selection.py",
        'return limits if self.known_at is None else f"{limits} AND l.recorded_at <= {_literal(self.known_at)}"',
        "return limits",
        f"{SCENARIO}_05.py::test_scenario_05_limit_and_exposure_as_it_was_as_we_knew_it_then_as_we_know_it_now",
        "Whoever signed on 15 March is judged by a payment of which nobody knew.",
    ),
    Mutant(
        "scenario 11: a correction of the past overtakes what came later",
        "projections/row.py",
        "if name not in since or since[name] <= at}",
        "if name not in since or at}",
        f"{SCENARIO}_11.py::test_scenario_11_every_change_of_the_payment_terms_has_its_reason_and_the_old_belief_stays",
        "The terms of last year are taken for those of today.",
    ),
    Mutant(
        "scenario 11: a correction is told by what it changed of today",
        "services/http/differences.py",
        "before = _as_of(view, records, record.effective_at, reference) or row\n",
        "before = row\n",
        f"{SCENARIO}_11.py::test_scenario_11_every_change_of_the_payment_terms_has_its_reason_and_the_old_belief_stays",
        "The history of a field passes over the correction of a wrong value.",
    ),
    Mutant(
        "scenario 19: the checker believes whoever approves",
        "projections/rules/contracts.py",
        "second=dict.fromkeys((ContractApproved, *SIGNATURES), ACTOR)",
        "second=dict.fromkeys(SIGNATURES, ACTOR)",
        f"{SCENARIO}_19.py::test_scenario_19_what_a_gate_with_a_bug_lets_through_is_found_by_the_checker"
        "[one's own draft]",
        "A gate with a bug lets people approve their own drafts, and nothing shows it.",
    ),
)

IMPORTING, IMPORTER = "tests/services/importing", "services/importing/importer.py"

IMPORTED = (
    Mutant(
        "what has no date is taken for dated",
        IMPORTER,
        "undated=undated or UNSET,",
        "undated=UNSET,",
        f"{IMPORTING}/test_without_a_time.py::test_a_row_without_a_time_is_true_from_the_import_on_and_marked_so",
        "Nobody can tell what is only said to be true since the import.",
    ),
    Mutant(
        "rows give the same post again and again",
        IMPORTER,
        "if one.on == stream_id and state.admits(one.event):",
        "if one.on == stream_id:",
        f"{IMPORTING}/test_labelled.py::test_units_and_posts_are_said_to_the_department_each_once",
        "A team has as many leads as rows that name one.",
    ),
    Mutant(
        "whoever another file has mentioned counts as imported",
        IMPORTER,
        "        if not self._plan.labelled or not versions[stream_id]:\n",
        "        if self._plan.labelled or not versions[stream_id]:\n",
        f"{IMPORTING}/test_labelled.py::test_it_does_not_matter_which_file_comes_first[False]",
        "What the second file says of a customer is left out.",
    ),
    Mutant(
        "columns that repeat others are kept all the same",
        "services/importing/translating.py",
        "columns = frozenset({self.plan.case}).union(self.plan.repeats, *(rule.says() for rule in taken))",
        "columns = frozenset({self.plan.case}).union(*(rule.says() for rule in taken))",
        f"{IMPORTING}/test_without_a_time.py::test_columns_that_only_repeat_others_are_not_kept",
        "The same is said twice of every row.",
    ),
)

RULES = "tests/projections/rules"

GATES = (
    Mutant(
        "a campaign may start when its plan is over",
        "aggregates/business/campaign.py",
        "not plan.begins_at <= at < plan.ends_at",
        "not plan.begins_at <= at <= plan.ends_at",
        "tests/aggregates/test_campaign.py::test_3_1_2_b_a_campaign_starts_while_its_plan_runs",
        "Money is spent under a plan that nobody has approved for this time.",
    ),
    Mutant(
        "deputies decide wherever they like",
        "projections/rules/templates/people.py",
        "return held_area(",
        "return None is not held_area(",
        f"{RULES}/test_contracts.py::test_a_case_that_breaks_the_rule",
        "A decision outside the areas in somebody's charge is found by nobody.",
    ),
    Mutant(
        "we concede what the customer disputes and ask nobody",
        "aggregates/risk/receivable.py",
        "            yield self.request_write_off(by, conceded, wording)\n",
        "            pass\n",
        "tests/aggregates/test_receivable.py::test_what_we_concede_in_a_dispute_is_put_to_the_manager",
        "The manager never hears of what was given up.",
    ),
    Mutant(
        "an end is guessed across a year without calendar",
        "aggregates/working_time.py",
        "if due >= over and self._without_calendar(year) <= self._year_of(due):",
        "if due < begin:",
        "tests/aggregates/test_working_time.py::test_a_year_missing_in_between_is_missed",
        "Somebody is told of a deadline that no calendar knows.",
    ),
    Mutant(
        "what runs in the background leaves its database behind",
        "infra/child.py",
        "        signal.signal(signal.SIGINT, signal.SIG_DFL)",
        "        signal.getsignal(signal.SIGINT)",
        "tests/infra/test_child.py::test_a_child_ends_when_its_starter_is_killed[background]",
        "A database without its service goes on and holds the data.",
    ),
)

MUTANTS = (*THE_LOG, *THE_READ_MODEL, *FROM_KAFKA, *WHO_ASKS, *SCENARIOS, *IMPORTED, *GATES)
