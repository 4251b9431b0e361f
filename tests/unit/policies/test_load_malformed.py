"""Damaged policy and people files, one mistake a file: each is found at its line, with words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.compile import compile_community
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.load import load_people, load_policy
from policies.people import People
from policies.schema import Policy

FOLDER = Path(__file__).parent / "malformed"

# file: line, part of the message, part of the advice; the part of a name before the first hyphen is its class
EXPECTED: dict[str, tuple[int, str, str]] = {
    "care-closed-group-in-the-list": (51, "a group of kind closed is in no public list of rooms", "Leave publish out"),
    "care-group-of-high-risk-in-the-list": (52, "a group of tier high is in no public list", "Leave publish out"),
    "care-listed-without-a-name": (
        46,
        "the public list of rooms would show this group",
        "approved_by: safeguarding_lead",
    ),
    "care-listed-without-a-reason": (46, "without a reason and a name", "found by who knows its address"),
    "contradiction-address-of-a-closed-group-among-partners": (53, "this group has no address", "Leave publish out"),
    "contradiction-listed-and-entered-by-the-space": (
        46,
        "come into this group by the community's space",
        "the space shows it",
    ),
    "reference-publish-misspelt": (46, '"public" is not known here', "address, directory, nothing"),
    "bomb-alias": (12, "an alias (*) is not allowed", "Write the value out in full"),
    "bomb-anchors": (2, "an anchor (&) is not allowed", "Write the value out in full"),
    "bomb-nesting": (13, "nested more than 12 deep", "Take out the inner blocks"),
    "bomb-python-tag": (6, "python/object/apply:os.system is not allowed", "Remove it"),
    "care-address-in-a-code-of-conduct": (19, "told an e-mail address here", "add it to allowed_contacts"),
    "care-phone-number-in-a-welcome": (51, "told a phone number here", "add it to allowed_contacts"),
    "care-user-id-in-a-purpose": (43, "somebody's user id", "Name the role, not the person"),
    "care-children": (50, "tier children cannot be kept safe yet", "Use a service made for it"),
    "care-closed-group-that-leaves": (52, "a group of kind closed never leaves its homeserver", "Leave federation out"),
    "care-federation-approved-by-a-moderator": (18, '"moderator" is not known here', "deputy, safeguarding_lead"),
    "care-federation-open-without-a-reason": (14, "are let in, without a reason and a name", "it is then closed"),
    "care-federation-without-a-name": (14, "are let in, without a reason and a name", "approved_by: safeguarding_lead"),
    "care-federation-without-a-risk-assessment": (14, "let in, without a risk assessment", "what may go wrong first"),
    "care-group-of-high-risk-that-leaves": (
        53,
        "a group of tier high never leaves its homeserver",
        "Leave federation out",
    ),
    "care-drift-ignored-in-a-word": (48, "of who may come in and read would stand", "approved_by: safeguarding_lead"),
    "care-drift-weakened-without-a-name": (48, "of who may do what would stand", "it is then put back at once"),
    "care-high-without-accepting-limits": (50, "tier high needs accept_limits", "somebody must answer for that"),
    "care-history-approved-by-a-moderator": (51, '"moderator" is not known here', "deputy, safeguarding_lead"),
    "care-history-for-partners-without-a-name": (47, "that people of other servers are in", "it is then joined"),
    "care-history-widened-without-a-name": (
        51,
        "history is wider than a group of kind closed has it",
        "approved_by: safeguarding_lead",
    ),
    "care-limits-loosened-without-a-name": (
        14,
        "more removals at once than 30% of at least 10 people",
        "approved_by: safeguarding_lead",
    ),
    "care-limits-approved-by-nobody": (53, "is not known here", "deputy, safeguarding_lead"),
    "care-pins-opened-without-a-reason": (
        51,
        "pins is wider than a group of kind closed has it",
        "it is then moderators",
    ),
    "care-reason-of-dots": (51, '"…" is no reason', "in a few plain words"),
    "number-retention-in-weeks": (51, '"7 weeks" is not a length of time in days', '"180 days"'),
    "reference-office-for-a-role": (51, '"safeguarding_lead" is not an id', "Name the role that holds this office"),
    "syntax-bracket-at-the-end": (51, "a bracket is opened here and not closed", "Close it on the same line"),
    "syntax-comma-in-front": (47, 'may not start with ","', "Put the text in quotes"),
    "time-hours-with-dashes": (13, "is not a day with its hours", 'no "–"'),
    "value-partner-address-of-hex": (14, "is an address, not a server name", "Write its name"),
    "care-rule-approved-by-nobody": (51, '"moderator" is not known here', "safeguarding_lead"),
    "care-rule-weakened-without-a-name": (48, "personal_data would only count", "approved_by: safeguarding_lead"),
    "care-rule-weakened-without-a-reason": (48, "phishing would only count", "approved_by: safeguarding_lead"),
    "contradiction-capacity-of-an-open-group": (
        46,
        "nobody could keep to a capacity",
        "make the group hybrid or closed",
    ),
    "contradiction-conduct-that-says-nothing": (
        14,
        "the code of conduct says nothing",
        "people cannot keep to what they cannot read",
    ),
    "contradiction-denied-and-not-open": (14, "who is not named is not let in", "Remove it"),
    "contradiction-everybody-announces": (46, "nothing is announced here", "make the group open, hybrid or closed"),
    "contradiction-first-messages-of-moderators": (51, "nobody reads first what they write", "let everybody write"),
    "contradiction-group-in-a-closed-community": (
        46,
        "the group is partners, and the community is closed",
        "Open the community first",
    ),
    "contradiction-group-names-a-stranger": (
        47,
        "chat.other.example is not let in by the community",
        "Add it under community",
    ),
    "contradiction-group-opens-more": (47, "the group opens what the community closes", "Leave it out"),
    "contradiction-group-partners-unnamed": (
        47,
        "neither the group nor the community names any",
        "servers: [chat.partner.example]",
    ),
    "contradiction-hours-of-another-zone": (
        51,
        "the hours of this group are of Europe/Paris",
        "Write them in Europe/London",
    ),
    "contradiction-join-by-a-role-that-cannot": (
        51,
        "the role moderator cannot answer requests",
        "can: [moderate, approve_join]",
    ),
    "contradiction-join-of-a-closed-group": (51, "nobody asks to join a group of kind closed", "make the group hybrid"),
    "contradiction-lead-is-deputy": (12, "lead and deputy are the same role", "Name another role"),
    "contradiction-media-where-moderators-write": (52, "they may share pictures and files", "let everybody write"),
    "contradiction-membership-of-an-open-group": (
        51,
        "come into a group of kind open by themselves",
        "hybrid or closed",
    ),
    "contradiction-moderator-without-power": (36, "is to moderate, but has level 10", "level 50 or more"),
    "contradiction-nobody-lets-people-in": (47, "no role can let them in", "can: [approve_join]"),
    "contradiction-open-and-named": (14, "servers mean nothing where federation is open", '"mode: partners"'),
    "contradiction-open-group-of-high-tier": (44, "tier high cannot be open", "Make it hybrid or closed"),
    "contradiction-own-server-among-partners": (14, "hearth.example is this community's own server", "Remove it"),
    "contradiction-partners-in-a-word": (14, "partners are let in, and none is named", "Name them"),
    "contradiction-partners-without-servers": (14, "partners are let in, and none is named", "Name them"),
    "contradiction-posting-that-says-nothing": (51, "posting says nothing", '"slow: 30s"'),
    "contradiction-reserved-id": (46, "id of a room that every community has", "Choose another id"),
    "contradiction-review-before-it-was-done": (
        14,
        "the next review, 2025-09-01, is not after the last one",
        "Name a later day",
    ),
    "contradiction-slow-moderators": (51, "nobody makes them wait", "let everybody write"),
    "duplicate-choice": (52, 'the key "history" stood already in line 51', "Keep one of the two"),
    "duplicate-group": (46, 'the key "welcome" stood already in line 41', "Keep one of the two"),
    "duplicate-key": (13, 'the key "deputy" stood already in line 12', "Keep one of the two"),
    "duplicate-partner": (14, "chat.partner.example stands here twice", "Remove one of the two"),
    "encoding-bidi-override": (47, "invisible character U+202E", "type it again"),
    "encoding-invisible-break": (7, "invisible character U+200B", "type it again"),
    "encoding-invisible-in-a-welcome": (51, "invisible character U+202E", "type it again"),
    "encoding-latin-1": (43, "byte 0xe9 is not UTF-8", 'Save it again as "UTF-8"'),
    "encoding-utf-16": (1, "saved as UTF-16", 'Save it as "UTF-8"'),
    "ladder-again-before-anybody": (49, "nobody was called before", "Name a role"),
    "ladder-agreed-by-nobody": (49, "outside_hours says nothing here: step 1 calls no role", "called at any hour"),
    "ladder-approved-by-nobody": (53, '"moderator" is not known here', "safeguarding_lead"),
    "ladder-band-misspelt": (48, 'unknown key "dangers"', 'Did you mean "danger"?'),
    "ladder-card-only-in-danger": (49, "would only show the card", "card_only may only begin conduct and help"),
    "ladder-danger-begins-with-one": (49, "both called first, at once", "Nobody can change this"),
    "ladder-danger-for-an-hour-and-more": (50, "2 hours is out of range: at most 1 hour", "somebody waits"),
    "ladder-office-misspelt": (49, "neither a role nor an office", 'Did you mean "safeguarding_lead"?'),
    "ladder-role-outside-the-moderators-room": (49, "the role admin cannot moderate", "Add moderate to what it can do"),
    "ladder-role-that-cannot-see-it": (49, "the role moderator cannot safeguard", "Add safeguard to what it can do"),
    "ladder-role-twice-in-a-step": (50, "deputy stands here twice", "Remove one"),
    "ladder-role-unknown": (50, 'there is no role "laed"', 'Did you mean "lead"?'),
    "ladder-same-role-twice-in-a-row": (50, "calls nobody but those who were called just before", "same_again"),
    "ladder-step-without-anybody": (49, "step 1 calls nobody", "Name a role"),
    "ladder-text-for-a-step": (49, "text stands where a block of keys is expected", "Example: steps"),
    "ladder-time-missing": (49, 'the key "within" is missing', "Example: within: 30m"),
    "ladder-time-without-a-unit": (49, '"30" is not a length of time', '"30m"'),
    "ladder-too-long": (48, "the ladder has 6 steps, 5 are allowed", "Call more people at once"),
    "ladder-weaker-without-a-name": (
        48,
        "weaker than by itself: step 1 waits 3 hours",
        "approved_by: safeguarding_lead",
    ),
    "ladder-without-anybody": (48, "without anybody on it", "Add a step"),
    "ladder-word-beside-roles": (49, "card_only stands beside others", "Write card_only alone"),
    "missing-deputy": (10, 'the key "deputy" is missing from community.owners', "Example: deputy: deputy"),
    "missing-hours": (4, 'the key "hours" is missing from community', 'hours: "Mon-Fri 09:00-17:00 Europe/London"'),
    "missing-value-of-a-choice": (
        51,
        'the key "value" is missing from groups.bereaved.pins',
        "Example: value: moderators",
    ),
    "number-capacity-of-nobody": (51, "0 is out of range: at least 2", "Example: capacity: 12"),
    "number-level-above-90": (20, "100 is out of range: at most 90", "50 to moderate, at most 90"),
    "number-level-negative": (20, "-1 is out of range: at least 0", "0 for none"),
    "number-membership-of-nobody": (51, "has 0 entries", "Example: roles: [moderator]"),
    "number-retention-for-centuries": (51, "36500 days is out of range", "7 to 3650 days"),
    "number-limit-above-half": (14, "80 is out of range: at most 50", "percent: 20"),
    "number-retention-of-no-days": (51, '"0 days" is not a length of time', '"180 days"'),
    "number-retention-without-a-unit": (51, '"30" is not a length of time', "Write it in days"),
    "number-schema-from-the-future": (2, 'schema "3" is unknown', "needs a later program"),
    "people-group-unknown": (23, 'there is no group "bereft"', "bereaved"),
    "people-id-misspelt": (5, '"@amina" is not a Matrix user id', "in quotes"),
    "people-id-without-quotes": (5, 'may not start with "@"', "Put the text in quotes"),
    "people-lead-is-own-deputy": (5, "safeguarding lead and deputy at once", "another person"),
    "people-no-lead": (4, 'nobody holds the role "lead"', "Give somebody the role"),
    "people-of-a-partner-in-a-closed-group": (
        23,
        "people of chat.partner.example cannot be in bereaved",
        "never leaves its homeserver",
    ),
    "people-of-a-partner-with-a-role": (22, "has a role, and is not on hearth.example", "give them an account here"),
    "people-of-no-partner": (21, "@rosa:elsewhere.example is not on hearth.example", "under community: federation"),
    "people-on-another-server": (21, "is not on hearth.example", "the community's own server"),
    "people-role-unknown": (17, 'there is no role "moderater"', 'Did you mean "moderator"?'),
    "people-twice": (21, "stood already in line 18", "Keep one of the two"),
    "reference-assessed-by-no-role": (14, 'there is no role "laed"', 'Did you mean "lead"?'),
    "reference-join-by-no-role": (51, 'there is no role "laed"', 'Did you mean "lead"?'),
    "reference-membership-of-no-role": (51, 'there is no role "moderater"', 'Did you mean "moderator"?'),
    "reference-owner-to-no-role": (11, 'there is no role "laed"', 'Did you mean "lead"?'),
    "reference-rule-misspelt": (48, 'there is no rule "bulying"', 'Did you mean "bullying"?'),
    "syntax-at-sign": (6, 'may not start with "@"', "Put the text in quotes"),
    "syntax-bracket-never-closed": (21, "a bracket is opened here and not closed", "Close it on the same line"),
    "syntax-colon-in-text": (8, "a colon stands where no value can start", 'Put text that holds ": " in quotes'),
    "syntax-empty": (1, "the file is empty", "Start from one of the examples"),
    "syntax-indentation": (45, "does not fit into the block around it", "Indent it exactly as the lines above"),
    "syntax-not-a-mapping": (2, "the file holds a list", "community, roles, groups"),
    "syntax-quote-never-closed": (15, "a quote is opened here and never closed", "Close it"),
    "syntax-two-documents": (18, "a second document starts here", 'Remove the line "---"'),
    "tabs": (6, "indented with a tab", "Indent with spaces only"),
    "tabs-inside-a-block": (15, "indented with a tab", "Indent with spaces only"),
    "time-date-in-words": (14, '"last spring" is not a date', "Write year, month and day"),
    "time-date-that-is-none": (14, 'there is no day "2026-02-30"', "Write year, month and day"),
    "time-day-unknown": (13, '"Mo" is not a day', "Mon, Tue, Wed"),
    "time-ends-before-it-begins": (13, "ends before it begins", "Split hours that pass midnight"),
    "time-hours-of-a-group-overlap": (51, "two spans on Tue overlap", "Name each day's hours once"),
    "time-pause-too-short": (51, "a pause of 2s is out of range", "5s to 6h"),
    "time-zone-missing": (13, "the hours name no time zone", "Put it last"),
    "time-zone-unknown": (13, '"Europe/Londn" is not a time zone', 'Did you mean "Europe/London"?'),
    "type-first-messages-as-a-word": (51, "text stands where a whole number is expected", "first_messages: 3"),
    "type-list-for-block": (11, "a list stands where a block of keys is expected", "{safeguarding_lead: lead"),
    "type-list-for-choice": (51, "a list stands where a block of keys is expected", "Example: history: joined"),
    "type-nothing": (6, "nothing stands where text is expected", "Example: name:"),
    "type-nothing-behind-a-key": (51, 'nothing stands behind "capacity:"', "or remove the key"),
    "type-nothing-behind-a-word-of-a-step": (
        52,
        'nothing stands behind "outside_hours:"',
        "Example: outside_hours: agreed",
    ),
    "type-nothing-behind-media": (51, 'nothing stands behind "media:"', "Example: media: none"),
    "type-nothing-in-a-choice": (51, "nothing stands where one of joined, invited, shared", "Example: value: joined"),
    "type-number-for-rule": (48, "a whole number stands where", "Example: rules: {bullying: enforce"),
    "type-number-for-text": (15, "a whole number stands where text is expected", 'Put it in quotes: "999"'),
    "type-text-for-level": (20, "text stands where a whole number is expected", "Example: level: 50"),
    "type-text-for-list": (21, "text stands where a list is expected", "Example: can: [moderate, approve_join]"),
    "type-text-for-servers": (16, "text stands where a list is expected", "Example: servers: [chat.partner.example]"),
    "unknown-key-in-a-choice": (51, 'unknown key "becuase"', 'Did you mean "because"?'),
    "unknown-key-in-federation": (14, 'unknown key "sevrers"', 'Did you mean "servers"?'),
    "unknown-key-of-limits": (14, 'unknown key "invites"', "Known here: demotions, removals."),
    "unknown-key-misspelt": (49, 'unknown key "knid"', 'Did you mean "kind"?'),
    "unknown-key-not-offered": (51, "groups are not encrypted", "nobody could look after people"),
    "unknown-key-of-drift": (48, 'unknown key "members"', "Known here: links, look, powers, settings"),
    "unknown-key-raw-event": (
        49,
        'unknown key "m.room.join_rules"',
        "Known here: accept_limits, capacity, federation, h",
    ),
    "value-address-without-lock": (14, "is not the address of a page", "https://charity.example/conduct"),
    "value-contact": (16, "neither a phone number nor an e-mail address", "one number or address an item"),
    "value-drift-misspelt": (48, '"enforced" is not known here', 'Did you mean "enforce"?'),
    "value-first-messages-too-many": (51, "11 is out of range: at most 10", "first_messages: 3"),
    "value-federation-mode": (14, '"partner" is not known here', 'Did you mean "partners"?'),
    "value-history-for-the-world": (51, '"world_readable" is not known here', "invited, joined, shared"),
    "value-id": (5, '"Hearth Carers" is not an id', 'For instance "hearth-carers"'),
    "value-kind-misspelt": (49, '"close" is not known here', 'Did you mean "closed"?'),
    "value-media-misspelt": (51, '"nothing" is not known here', "none"),
    "value-pause-without-a-unit": (51, '"30" is not a pause', '"30s", "5m" or "2h"'),
    "value-partner-address": (14, '"203.0.113.7" is an address, not a server name', "Write its name"),
    "value-partner-address-of-six": (14, "is an address, not a server name", "Write its name"),
    "value-partner-pattern": (14, "is a pattern, not a server name", "Name each server whole"),
    "value-posting-misspelt": (51, '"moderator" is not known here', 'Did you mean "moderators"?'),
    "value-rule-mode": (48, '"enforced" is not known here', 'Did you mean "enforce"?'),
    "value-server": (9, "is not a server name", "as it stands behind the colon of a user id"),
}


def findings_of(name: str) -> tuple[bool, tuple[Finding, ...]]:
    content = (FOLDER / f"{name}.yaml").read_bytes()
    if name.startswith("people-"):
        partners = "people-of-" in name
        people = load_people(content, name, example_policy(_PARTNERS if partners else ""))
        return people.people is not None, people.findings
    policy = load_policy(content, name)
    return policy.policy is not None, policy.findings


_PARTNERS = (
    "federation: {mode: partners, servers: [chat.partner.example], because: Board minute 4, approved_by: deputy}\n"
    "  risk_assessment: {reviewed: 2026-09-01, next: 2027-09-01, by: lead}"
)


def example_policy(more: str = "") -> Policy:
    """The demo's policy, with one more line about its community."""
    text = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8").replace("  hours:", f"  {more}\n  hours:", 1)
    policy = load_policy(text, "hearth-demo.yaml").policy
    assert policy is not None
    return policy


def test_every_malformed_file_has_an_expectation_and_the_other_way_round() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert len({name.partition("-")[0] for name in EXPECTED}) >= 8


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_malformed_file_does_not_load_and_says_at_its_line_what_to_do(name: str) -> None:
    line, message, advice = EXPECTED[name]
    loaded, findings = findings_of(name)
    assert not loaded
    at_line = [f for f in findings if f.line == line and message in f.message]
    assert at_line, [str(f) for f in findings]
    assert advice in at_line[0].advice
    assert at_line[0].severity == "error"
    assert at_line[0].file == name


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_one_mistake_gives_one_error_and_at_most_what_follows_from_it(name: str) -> None:
    _, findings = findings_of(name)
    errors = [f for f in findings if f.severity == "error"]
    # The misspelt key is also missing under its right name.
    assert len(errors) == (2 if name == "unknown-key-misspelt" else 1), [str(f) for f in errors]


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if not name.startswith("encoding-")))
def test_the_offending_text_stands_where_the_finding_says(name: str) -> None:
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    for finding in findings_of(name)[1]:
        text = finding.text.removeprefix("tag:yaml.org,2002:")  # the reader unfolds !! to this
        # What cannot be quoted (a block, nothing at all) is named by its key, on the same line or the one above.
        assert text in lines[finding.line - 1][finding.column - 1 :] or text in "".join(
            lines[max(0, finding.line - 2) : finding.line]
        )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_an_earlier_version_accepted_compiles_as_long_as_it_can_be_understood(path: Path) -> None:
    loaded = load_policy(path.read_bytes(), path.name, was_accepted=True)
    assert any(finding.severity == "error" for finding in loaded.findings)
    if loaded.policy is not None:
        assert compile_community(loaded.policy, People({})).rooms


@pytest.mark.parametrize(
    "name",
    [
        "type-nothing-behind-a-key",
        "type-nothing-behind-media",
        "care-reason-of-dots",
    ],
)
def test_what_only_a_later_version_refuses_is_taken_up_and_told(name: str) -> None:
    loaded = load_policy((FOLDER / f"{name}.yaml").read_bytes(), name, was_accepted=True)
    assert loaded.policy is not None
    assert any(finding.severity == "error" for finding in loaded.findings)
