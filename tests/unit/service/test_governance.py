"""What is in force: refused when it takes from too many, undone by number, and not stalled by what was allowed once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from appservice.provisioning import Provisioner
from appservice.service.consent import Consent, Moved, Proposed, Refused
from appservice.service.history import NothingToUndo
from appservice.service.policy_files import BadPolicy, read_files
from appservice.service.succession import Asked
from appservice.service.upkeep import EVIDENCE_KEPT_MS, Upkeep
from appservice.store import Commit
from policies.desired import DesiredCommunity
from policies.people import People
from policies.plan import Plan
from policies.problems import Problem
from policies.saved import people_digest
from tests.support.governed import SERVER, Governed, KilledHere, example, governed
from tests.support.house import fresh_store

#: All but lead and deputy, without whom no people file is valid.
ALL = 8
EVERYBODY = Consent(allow=frozenset({"removals"}), because="The project ends")


# -- thresholds --------------------------------------------------------------------------------------------------------


async def test_a_people_file_that_lost_its_people_is_refused_and_nothing_is_done_nor_put_in_force(
    tmp_path: Path,
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        before, calls = house.states(), house.homeserver.calls
        with pytest.raises(Refused, match=r"80\.00% is over 30\.00% \(8/10 people would be removed\)"):
            await house.governance.apply(example(without=ALL))
        assert (house.states(), house.homeserver.calls) == (before, calls)
        assert house.governance.follows(example())
        assert len(await house.governance.history()) == 1


async def test_an_override_lets_it_through_and_the_audit_keeps_class_figures_and_reason_without_names(
    tmp_path: Path,
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        with pytest.raises(Refused, match="removed"):
            await house.governance.apply(
                example(without=ALL), Consent(allow=frozenset({"demotions"}), because="The project ends")
            )
        result, number = await house.governance.apply(example(without=ALL), EVERYBODY)
        assert (result.settled, number) == (True, 2)
        last = (await house.policy_lines())[-1]
        assert last["because"] == "The project ends"
        assert [(one["what"], one["affected"]) for one in last["allowed"]] == [("removals", 8)]
        assert "@" not in str(last)


async def test_who_insisted_and_why_is_written_in_the_commit_that_puts_it_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        written, commit = list[Commit](), house.database.commit

        async def noted(rows: Commit) -> None:
            written.append(rows)
            await commit(rows)

        monkeypatch.setattr(house.database, "commit", noted)
        await house.governance.apply(example(without=ALL), EVERYBODY)
    first = next(rows for rows in written if rows.in_force)
    assert [line.line["because"] for line in first.audit] == ["The project ends"]


async def test_a_policy_cannot_loosen_the_limit_by_which_it_is_judged(tmp_path: Path) -> None:
    looser = "  limits: {removals: {percent: 50, because: The project ends, approved_by: deputy}}\n\nroles:\n"
    stricter = "  limits: {removals: {percent: 5}}\n\nroles:\n"
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        with pytest.raises(Refused, match=r"40\.00% is over 30\.00%"):
            await house.governance.apply(example(without=4, edit={"\nroles:\n": looser}))
        with pytest.raises(Refused, match=r"10\.00% is over 5\.00%"):
            await house.governance.apply(example(without=1, edit={"\nroles:\n": stricter}))
        await house.governance.apply(example(edit={"\nroles:\n": looser}))
        assert (await house.governance.apply(example(without=4, edit={"\nroles:\n": looser})))[0].settled


async def test_the_first_policy_does_not_loosen_by_its_own_limits_what_a_new_room_for_an_old_one_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looser = "  limits: {removals: {percent: 50, because: The project ends, approved_by: deputy}}\n\nroles:\n"
    store = fresh_store(tmp_path)
    async with governed(store) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        homeserver = house.homeserver
    (tmp_path / "new").mkdir()
    async with governed(fresh_store(tmp_path / "new"), homeserver) as house:
        await house.governance.begin_with(example(without=4, edit={"\nroles:\n": looser}))

        async def plan(_: Asked, community: DesiredCommunity, people: People, provisioner: Provisioner) -> Plan:
            return await provisioner.plan(community, people)

        monkeypatch.setattr(house.governance, "_successions", SimpleNamespace(plan=plan))
        assert (await house.governance.plan_following(Asked("carers-lounge"))).too_much()
        with pytest.raises(Refused, match="removed"):
            await house.governance.follow(
                Asked("carers-lounge"), Consent(allow=frozenset({"demotions"}), because="The project ends")
            )


async def test_who_comes_along_into_a_new_room_is_known_by_the_commit_that_begins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        written, commit = list[Commit](), house.database.commit

        async def noted(rows: Commit) -> None:
            written.append(rows)
            await commit(rows)

        async def plan(_: Asked, community: DesiredCommunity, people: People, provisioner: Provisioner) -> Plan:
            return await provisioner.plan(community, people)

        row = {"homeserver": SERVER, "name": "brought", "value": "yes"}
        monkeypatch.setattr(house.governance, "brought", lambda _planned: Commit(positions=[row]))
        monkeypatch.setattr(house.governance, "_successions", SimpleNamespace(plan=plan))
        monkeypatch.setattr(house.database, "commit", noted)
        await house.governance.follow(Asked("carers-lounge"))
    assert row in next(rows for rows in written if rows.in_force).positions


async def test_a_plan_about_one_group_does_not_end_what_was_cut_off_in_others(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    about_one = Proposed(1, Commit(), "carers-lounge")
    async with governed(store) as house:
        house.provisioner.dies_after = 3
        with pytest.raises(KilledHere):
            await house.governance.apply(example())
        await house.governance.apply(example(), proposed=about_one)
        assert not house.governance.settled
    async with governed(store, house.homeserver) as house:
        assert not house.governance.settled
        await house.governance.keep()
        assert house.governance.settled
        await house.governance.apply(example(), proposed=about_one)
        assert house.governance.settled


async def test_an_override_that_was_not_needed_leaves_no_trace(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example(), EVERYBODY)
        assert not {"allowed", "because"} & (await house.policy_lines())[-1].keys()


async def test_what_was_applied_with_an_override_is_finished_after_a_death_without_being_asked_again(
    tmp_path: Path,
) -> None:
    store = fresh_store(tmp_path)
    async with governed(store) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        house.provisioner.dies_after = 3
        with pytest.raises(KilledHere):
            await house.governance.apply(example(without=ALL), EVERYBODY)
        homeserver = house.homeserver
    async with governed(store, homeserver) as later:
        await later.governance.keep()
        assert later.governance.settled
        _, planned = await later.governance.plan(example(without=ALL))
        assert planned.empty


async def test_strangers_who_were_forced_in_are_seen_out_however_many_they_are(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        room = next(room for room in house.homeserver.rooms.values() if room.key == "bereaved")
        for number in range(50):
            house.homeserver._put_member(house.homeserver.rooms[room.room_id], f"@forced{number}:x.example", "join")
        await house.governance.keep()
        assert not any("forced" in user_id for user_id in house.homeserver.rooms[room.room_id].members)


async def test_a_first_policy_of_the_configuration_removes_nobody_in_numbers_until_a_person_applies_it(
    tmp_path: Path,
) -> None:
    """Our store is lost, the rooms are not, and somebody cut the people file short meanwhile."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with governed(fresh_store(tmp_path / "first")) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        homeserver, before, calls = house.homeserver, house.states(), house.homeserver.calls
    store = fresh_store(tmp_path / "second")
    async with governed(store, homeserver) as later:
        await later.governance.begin_with(example(without=ALL))
        await later.governance.keep()
        assert [share.figures() for share in later.governance.held] == [
            "80.00% is over 30.00% (8/10 people would be removed)"
        ]
    async with governed(store, homeserver) as again:
        await again.governance.keep()
        assert again.governance.held
        assert (again.states(), homeserver.calls) == (before, calls)
        await again.governance.apply(example())
        assert (again.governance.held, homeserver.calls) == ((), calls)
        await again.governance.apply(example(without=ALL), EVERYBODY)
        assert again.governance.settled


async def test_a_first_policy_of_the_configuration_that_takes_from_nobody_is_made_true_at_once(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with governed(store) as house:
        await house.governance.begin_with(example())
        await house.governance.keep()
        assert house.governance.settled
        homeserver = house.homeserver
        room = next(room for room in homeserver.rooms.values() if room.key == "bereaved")
    for number in range(50):
        homeserver._put_member(homeserver.rooms[room.room_id], f"@forced{number}:x.example", "join")
    async with governed(store, homeserver) as later:
        await later.governance.keep()
        assert later.governance.held == ()
        assert not any("forced" in user_id for user_id in homeserver.rooms[room.room_id].members)


async def test_a_first_policy_of_the_configuration_exposes_nobody_who_is_there_without_an_assessment(
    tmp_path: Path,
) -> None:
    """Our store is lost, the rooms are not, and the file of the configuration opens them wider than they are."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    narrow, wide = example(edit=CLOSED | {"kind: open": "kind: closed"}), example(edit=NOT_ASSESSED)
    async with governed(fresh_store(tmp_path / "first")) as house:
        await house.governance.apply(narrow)
        homeserver, before = house.homeserver, rules(house)
    gone = next(room for room in homeserver.rooms.values() if room.key == "bereaved")
    homeserver.rooms.pop(gone.room_id)
    store = fresh_store(tmp_path / "second")
    async with governed(store, homeserver) as later:
        await later.governance.begin_with(wide)
        await later.governance.keep()
        assert {room_id: rule for room_id, rule in rules(later).items() if room_id in before} == {
            room_id: rule for room_id, rule in before.items() if room_id != gone.room_id
        }
        assert "bereaved" in {room.key for room in homeserver.rooms.values()}, "what is safe is made"
        assert later.governance.settled
        assert later.governance.waiting is not None
        assert "wait for a risk assessment" in later.governance.waiting.words()
        assert "inglenook apply FILE" in later.governance.waiting.words()
        held = rules(later)
    async with governed(store, homeserver) as again:
        await again.governance.keep(again=True)
        assert (rules(again), again.governance.waiting) == (held, later.governance.waiting)
        with pytest.raises(BadPolicy, match="there is no risk assessment"):
            await again.governance.apply(wide)
        await again.governance.apply(example())
        assert rules(again) != held
        assert again.governance.waiting is None
    async with governed(store, homeserver) as last:
        assert last.governance.waiting is None
        await last.governance.keep()
        assert last.governance.settled


async def test_first_rooms_need_no_assessment_and_a_good_one_holds_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with governed(fresh_store(tmp_path / "first")) as house:
        await house.governance.begin_with(example(edit=NOT_ASSESSED | CLOSED))
        await house.governance.keep()
        assert (house.governance.waiting, house.governance.settled) == (None, True)
        homeserver, before = house.homeserver, rules(house)
    async with governed(fresh_store(tmp_path / "second"), homeserver) as later:
        await later.governance.begin_with(example())
        await later.governance.keep()
        assert later.governance.waiting is None
        assert rules(later) != before


# -- approved plans ----------------------------------------------------------------------------------------------------


async def test_people_who_changed_since_a_plan_was_saved_are_told_even_if_the_same_changes_follow(
    tmp_path: Path,
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        said, planned = await house.governance.plan(example(without=1))
        consent = Consent(planned.digest, planned.policy, people_digest(said.people))
        same = example(without=1)
        more = same.people.replace(b"people:\n", b'people:\n  "@nobody-yet:chat.leedscarers.example": {}\n')
        assert more != same.people
        changed = type(same)(same.policy, same.policy_name, more, same.people_name)
        assert (await house.governance.plan(changed))[1].digest == planned.digest
        with pytest.raises(Moved) as caught:
            await house.governance.apply(changed, consent)
        assert caught.value.why == ("The people file says something else than when the plan was made.",)
        assert (await house.governance.apply(same, consent))[1] == 2


# -- several files -----------------------------------------------------------------------------------------------------


async def test_a_policy_in_several_files_is_in_force_as_a_whole_and_needs_no_disk(tmp_path: Path) -> None:
    folder, store = tmp_path / "files", fresh_store(tmp_path)
    folder.mkdir()
    whole = example()
    head, groups = whole.policy.decode().split("\ngroups:\n")
    (folder / "policy.yaml").write_text(f"{head}\ninclude: [groups.yaml]\n", encoding="utf-8")
    (folder / "groups.yaml").write_text(f"groups:\n{groups}", encoding="utf-8")
    (folder / "people.yaml").write_bytes(whole.people)
    files = read_files(folder / "policy.yaml")
    async with governed(store) as house:
        await house.governance.apply(whole)
        assert (await house.governance.apply(files))[1] is None  # no word has changed
        assert house.governance.follows(files)
        homeserver = house.homeserver
    for path in folder.iterdir():
        path.unlink()
    async with governed(store, homeserver) as later:
        assert later.governance.follows(files)
        await later.governance.keep(again=True)
        assert later.governance.settled
        [line] = await later.governance.history()
        assert line.number == 1


# -- risk --------------------------------------------------------------------------------------------------------------


async def test_each_change_that_exposes_people_needs_a_review_not_older_than_the_one_before(tmp_path: Path) -> None:
    day_ms = 24 * 3600 * 1000  # the clock stands on the 15 January 2027
    kept = {"kind: hybrid": "retention: 30 days\n    kind: hybrid"}
    anew = {"reviewed: 2026-09-01": "reviewed: 2027-01-14", "next: 2027-09-01": "next: 2028-01-14"}
    store = fresh_store(tmp_path)
    async with governed(store) as house:
        await house.governance.apply(example(edit={"kind: open": "kind: closed"}))
        assert (await house.governance.apply(example()))[1] == 2
        homeserver = house.homeserver
    async with governed(store, homeserver) as later:
        later.clock.now += day_ms
        told, planned = await later.governance.plan(example(edit=kept))
        assert "put in force on 2027-01-15" in planned.notes[-1].text
        with pytest.raises(BadPolicy, match="reviewed on 2026-09-01, before the last change") as caught:
            await later.governance.apply(told.files)
        assert caught.value.findings[0].text == "risk_assessment"
        with pytest.raises(BadPolicy, match="reviewed on 2027-01-14"):
            await later.governance.apply(example(edit=kept | anew))
        today = anew | {"reviewed: 2026-09-01": "reviewed: 2027-01-15"}
        assert (await later.governance.apply(example(edit=kept | today)))[1] == 3


async def test_a_change_that_exposes_nobody_makes_no_review_old(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        await house.governance.apply(example(edit={"kind: hybrid": "kind: closed"}))
        house.clock.now += 24 * 3600 * 1000
        assert (await house.governance.apply(example()))[1] == 3


NOT_ASSESSED = {
    "  risk_assessment: # without one, nothing is changed that exposes people or cannot be undone\n"
    "    reviewed: 2026-09-01\n    next: 2027-09-01\n    by: lead\n": ""
}
CLOSED = {"kind: hybrid": "kind: closed"}


def rules(house: Governed) -> dict[str, Any]:
    """Who may come into each room."""
    return {room_id: state[("m.room.join_rules", "")] for room_id, state in house.states().items()}


async def test_going_back_to_a_policy_without_an_assessment_counts_the_one_that_is_in_force(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example(edit=NOT_ASSESSED))
        before = rules(house)
        await house.governance.apply(example(edit=CLOSED))
        undoing = await house.governance.plan_undo(2)
        assert any(change.change_class == "exposing" for change in undoing.plan.changes)
        assert not [note for note in undoing.plan.notes if note.kind == "not_assessed"]
        assert (await house.governance.undo(2))[1] == 3
        assert rules(house) == before
        house.clock.now += 24 * 3600 * 1000
        await house.governance.apply(example(edit=CLOSED))
        with pytest.raises(BadPolicy, match="before the last change of this sort was put in force on 2027-01-15"):
            await house.governance.undo(4)


async def test_an_undo_without_any_assessment_says_what_to_write_and_that_applying_the_older_file_does_the_same(
    tmp_path: Path,
) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example(edit=NOT_ASSESSED))
        before = rules(house)
        await house.governance.apply(example(edit=NOT_ASSESSED | CLOSED))
        with pytest.raises(BadPolicy) as caught:
            await house.governance.undo(2)
        written = "risk_assessment: {reviewed: 2027-01-15, next: 2028-01-15, by: lead}"
        advice = caught.value.findings[0].advice
        assert f'the policy file as it was before P-2, write under community: "{written}"' in advice
        assert "`inglenook apply FILE` does the same as this undo" in advice
        assert advice in (await house.governance.plan_undo(2)).plan.notes[-1].text
        assert rules(house) != before
        (there,) = NOT_ASSESSED
        await house.governance.apply(example(edit={there: f"  {written}\n"}))
        assert rules(house) == before


# -- undo --------------------------------------------------------------------------------------------------------------


async def test_undo_brings_back_the_rooms_as_they_were_and_undoing_that_brings_back_the_change(tmp_path: Path) -> None:
    changed = example(without=2, edit={"kind: hybrid": "kind: closed"})
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        first = house.states()
        assert (await house.governance.apply(changed))[1] == 2
        second = house.states()
        assert first != second
        back = await house.governance.plan_undo(None)
        assert back.past.applied.id == "P-2"
        assert any("2 people were removed" in line for line in back.stays)
        assert (await house.governance.undo(2, Consent(digest=back.plan.digest)))[1] == 3
        assert house.states() == first
        assert house.governance.follows(example())
        assert (await house.governance.undo(3))[1] == 4
        assert house.states() == second
        stands = {one.number: (one.undoes, one.undone_by) for one in await house.governance.history()}
        assert stands == {1: (None, None), 2: (None, 3), 3: (2, 4), 4: (3, None)}


async def test_an_undo_obeys_the_same_thresholds(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example(without=8))
        await house.governance.apply(example())
        house.everybody_comes()
        with pytest.raises(Refused, match=r"80\.00% is over 30\.00% \(8/10 people would be removed\)"):
            await house.governance.undo(2)
        assert (await house.governance.undo(2, EVERYBODY))[1] == 3


async def test_an_undo_that_was_cut_off_is_finished_at_the_next_start_and_not_done_twice(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with governed(store) as house:
        await house.governance.apply(example())
        house.everybody_comes()
        first, homeserver = house.states(), house.homeserver
        await house.governance.apply(example(without=2, edit={"kind: hybrid": "kind: closed"}))
        house.provisioner.dies_after = 1
        with pytest.raises(KilledHere):
            await house.governance.undo(2)
    async with governed(store, homeserver) as later:
        assert later.states() != first
        await later.governance.keep()
        assert later.states() == first
        with pytest.raises(NothingToUndo, match="P-2 is undone already, by P-3"):
            await later.governance.undo(2)


async def test_people_whom_a_card_let_in_meanwhile_stay_after_an_undo(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        await house.governance.apply(example(edit={"kind: hybrid": "kind: closed"}))
        assert house.governance.standing is not None
        newcomer = "@new-moon:chat.leedscarers.example"
        house.governance.standing.load([("leeds-carers", "carers-lounge", newcomer)])
        room = next(room for room in house.homeserver.rooms.values() if room.key == "carers-lounge")
        house.homeserver._put_member(house.homeserver.rooms[room.room_id], newcomer, "join")
        await house.governance.undo(2)
        assert house.homeserver.rooms[room.room_id].members[newcomer] == "join"


async def test_an_apply_that_changes_no_word_gets_no_number(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        assert (await house.governance.apply(example()))[1] == 1
        assert (await house.governance.apply(example()))[1] is None
        spaced = example()
        spaced = type(spaced)(b"# words for people\n" + spaced.policy, "p", spaced.people, "q")
        assert (await house.governance.apply(spaced))[1] is None
        with pytest.raises(NothingToUndo, match="P-1 put the first policy in force"):
            await house.governance.undo(1)


async def test_without_a_policy_there_is_nothing_to_undo(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        assert await house.governance.history() == []
        with pytest.raises(NothingToUndo, match="Nothing was applied yet"):
            await house.governance.undo(None)
        with pytest.raises(NothingToUndo, match="Nothing was applied yet"):
            await house.governance.plan_undo(1)


async def test_what_was_applied_is_kept_for_a_year_and_its_number_is_never_given_again(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as house:
        await house.governance.apply(example())
        upkeep = Upkeep(house.database, house.clock)
        house.clock.now += EVIDENCE_KEPT_MS
        await upkeep.turn()
        assert len(await house.governance.history()) == 1
        house.clock.now += 3_600_001
        await upkeep.turn()
        assert await house.governance.history() == []
        assert (await house.governance.apply(example(without=1)))[1] == 2


async def test_a_plan_tells_what_the_policy_says_otherwise_where_no_room_changes(tmp_path: Path) -> None:
    more = example(
        edit={"\ngroups:\n": "\nescalation:\n  help: [{call: lead, within: 1h}, {call: deputy, within: 1h}]\ngroups:\n"}
    )
    async with governed(fresh_store(tmp_path)) as life:
        _, first = await life.governance.plan(more)
        assert [note for note in first.notes if note.kind == "otherwise"] == [], "nothing was in force before"
        await life.governance.apply(example())
        _, planned = await life.governance.plan(more)
        told = [note.text for note in planned.notes if note.kind == "otherwise"]
        assert len(told) == 2
        assert told[0].startswith("From now on, requests for help, step 1: Called in the safeguarding room")
        await life.governance.apply(more)
        _, same = await life.governance.plan(more)
        assert [note for note in same.notes if note.kind == "otherwise"] == []


async def test_what_is_in_force_stays_so_when_a_newer_version_of_the_program_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a community would be without its service after an update, for a rule that it could not know."""
    store, files = fresh_store(tmp_path), example()
    async with governed(store) as house:
        await house.governance.apply(files)
        homeserver = house.homeserver
    newer = Problem(("community", "purpose"), "this is refused from now on", "Write it otherwise.")
    monkeypatch.setattr("policies.load.problems_of_policy", lambda _: [newer])
    monkeypatch.setattr("policies.load.problems_of_people", lambda *_: [Problem(("people",), "And this.", "Mend it.")])
    with capture_logs() as logs:
        async with governed(store, homeserver) as house:
            assert house.governance.said is not None
            assert house.governance.follows(files)
            await house.governance.keep()
            assert house.governance.settled
            with pytest.raises(BadPolicy, match="this is refused from now on"):  # also the same words, written anew
                await house.governance.plan(files)
    (told,) = [line for line in logs if line["event"] == "policy_in_force_is_refused_today"]
    assert len(told["places"]) == 2
