"""Contact details in texts that people are told: found however they are written, and nothing else is taken for them."""

from __future__ import annotations

import csv

import pytest

from policies.contacts import contacts_in
from policies.files import EXAMPLES, signposts
from policies.findings import Finding
from policies.layers import Layer, layered
from policies.load import load_policy

LEAD = "@copper-lark:chat.leedscarers.example"


def found(text: str) -> list[str]:
    return [contact for _, contact in contacts_in(text)]


def findings_with(welcome: str, allowed: str = "") -> tuple[Finding, ...]:
    """What is wrong with the larger example if its lounge has this welcome, and the charity this further contact."""
    text = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
    text = text.replace("    name: Carers' lounge\n", f"    name: Carers' lounge\n    welcome: {welcome!r}\n", 1)
    if allowed:
        text = text.replace("  allowed_contacts:", f"  allowed_contacts: # ours\n    - {allowed!r}\n  #", 1)
    return tuple(one for one in load_policy(text, "policy.yaml").findings if one.severity == "error")


@pytest.mark.parametrize(
    "written",
    [
        "07700 900123",
        "07700900123",
        "+44 7700 900123",
        "+44 (0)7700 900 123",
        "0044 7700 900123",
        "447700900123",
        "7700 900123",
        "(07700) 900-123",
        "０７７００ ９００１２３",
        "https://wa.me/447700900123",
    ],
)
def test_a_number_is_the_same_one_in_every_writing(written: str) -> None:
    assert found(f"Ring Jo on {written}.") == ["07700900123"]


def test_addresses_and_user_ids_are_found() -> None:
    assert found("Write to Jo.Smith@mail.example, or @jo:hearth.example.") == [
        "@jo:hearth.example",
        "jo.smith@mail.example",
    ]
    assert found("From abroad: +353 1 555 0123") == ["+35315550123"]


@pytest.mark.parametrize(
    "text",
    [
        "In danger call 999, or Samaritans on 116 123.",
        "We meet on 01/02/2026 at 07:30-09:00, and on 2026-03-01 to 2026-04-01.",
        "It costs £10,000,000.00, which is 1000000000 pennies.",
        "Write @helper at any time, at 7 or at 8.",
        "Rooms 101 102 103 104 105 are ours.",
    ],
)
def test_dates_times_sums_and_short_numbers_are_no_contacts(text: str) -> None:
    assert found(text) == []


def test_public_helplines_may_be_told() -> None:
    for row in csv.DictReader(signposts().splitlines()):
        assert findings_with(f"Ring or write: {row['contact']}"[:190].replace("'", "")) == ()


def test_the_charitys_own_may_be_told_in_any_writing_and_nobody_elses() -> None:
    assert findings_with("Ring us on +44 1632 960999.", allowed="01632 960999") == ()
    (finding,) = findings_with("Ring us on 01632 960998.", allowed="01632 960999")
    assert (finding.message, finding.text) == (
        "people would be told a phone number here that is not among the charity's own",
        "Ring us on 01632 960998.",
    )


@pytest.mark.parametrize("words", ["Ring Jo on 07700 900123.", "Write to jo@mail.example.", "Ask @jo:hearth.example."])
def test_a_welcome_with_contact_details_cannot_be_set_in_a_room(words: str) -> None:
    said = load_policy((EXAMPLES / "leeds-carers.yaml").read_bytes(), "policy.yaml").policy
    assert said is not None
    (unfit,) = layered(said, [Layer("carers-lounge", "welcome", words, LEAD, 0)]).overruled
    assert unfit.why == "unfit"
    assert "people would be told" in unfit.words
    assert "07700" not in unfit.words
