"""How the rules do on labelled messages: `python -m tests.support.labelled [A|B] [missed]` prints it.

The messages lie beside the tests that hold floors on them; `docs/architecture.md` (Distress) says how they were made.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from appservice.detection.concern import ConcernRules
from appservice.detection.personal_data import NOBODYS, OWN, Details
from appservice.detection.text import visible_text
from appservice.detection.wording import Spelling
from appservice.service.detectors import details
from policies.load import load_policy
from tests.support.paths import CHECKOUT, POLICIES

_FOLDER = CHECKOUT / "tests" / "unit" / "detection"
NONE = "none"
#: From this severity on a message opens a case, and holds back what is automatic.
ALARM = 2


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message, what a person says it is, and what the rules say (kind and severity, or kind and whose)."""

    half: str
    kind: str
    label: str
    topic: str
    text: str
    found_kind: str
    found_label: str

    @property
    def harmful(self) -> bool:
        return self.kind != NONE

    @property
    def found(self) -> bool:
        return self.found_kind != NONE


def share(of: Iterable[Labelled], meets: Callable[[Labelled], bool] = lambda one: one.found) -> float:
    """The share of messages that meet a condition, 0 to 1."""
    every = list(of)
    return sum(meets(one) for one in every) / len(every)


@cache
def distress() -> tuple[Labelled, ...]:
    """Every message of `distress_cases.csv`; `label` is its severity, and what opens no case is not found."""
    folder = CHECKOUT / "policies" / "rules"
    spelling = Spelling((folder / "spelling-en.csv").read_text(encoding="utf-8"))
    rules = ConcernRules((folder / "concern-en.csv").read_text(encoding="utf-8"), spelling)
    labelled = []
    for row in _rows("distress_cases.csv"):
        sign = rules.look(row["text"])
        kind, label = (sign.kind, str(sign.severity)) if sign and sign.severity >= ALARM else (NONE, "0")
        labelled.append(Labelled(row["half"], row["kind"], row["severity"], row["topic"], row["text"], kind, label))
    return tuple(labelled)


@cache
def private() -> tuple[Labelled, ...]:
    """Every message of `personal_data_cases.csv`; `label` is whose the detail is: own, others, unclear, any."""
    policy = load_policy((POLICIES / "leeds-carers.yaml").read_bytes(), "leeds-carers.yaml").policy
    assert policy is not None
    look = details(policy)
    labelled = []
    for row in _rows("personal_data_cases.csv"):
        seen: Details = look(visible_text({"msgtype": "m.text", "body": row["text"]}))
        kind = NONE if seen.whose == NOBODYS else seen.kinds[0]
        labelled.append(Labelled(row["half"], row["kind"], row["whose"], row["topic"], row["text"], kind, seen.whose))
    return tuple(labelled)


def treated_right(one: Labelled) -> bool:
    """One's own is left, with an offer; what is somebody else's, or unclear, is hidden (DESIGN, section 7, item 2)."""
    return one.found and (one.found_label == OWN) == (one.label == OWN)


def main(half: str, missed: bool) -> None:
    """Print the figures of one half, and, when asked, what the rules got wrong."""
    for name, every in (("distress", distress()), ("personal data", private())):
        ours = [one for one in every if one.half == half]
        _say(f"{name}, half {half}")
        harmful, harmless = [one for one in ours if one.harmful], [one for one in ours if not one.harmful]
        if name == "distress":
            for severity in ("4", "3", "2"):
                graded = [one for one in harmful if one.label == severity]
                at_least = share(graded, lambda one: one.found_label >= one.label)
                _say(f"  severity {severity}: n={len(graded)} found {share(graded):.0%}, as severe {at_least:.0%}")
            _by("  kind", harmful, lambda one: one.kind)
        else:
            _by("  kind", harmful, lambda one: one.kind)
            _say(f"  whose: treated right {share(harmful, treated_right):.0%}")
        _say(f"  every sign: n={len(harmful)} found {share(harmful):.0%}")
        _by("  harmless", harmless, lambda one: one.topic)
        _say(f"  every harmless: n={len(harmless)} alarms {sum(one.found for one in harmless)}")
        for one in ours if missed else ():
            wrong = one.found != one.harmful or (one.label == OWN) != (one.found_label == OWN)
            if wrong or (name == "distress" and one.harmful and one.found_label < one.label):
                _say(f"    {one.kind} {one.label} -> {one.found_kind} {one.found_label}: {one.text!r}")


def _by(name: str, every: list[Labelled], group: Callable[[Labelled], str]) -> None:
    for value in dict.fromkeys(map(group, every)):
        ours = [one for one in every if group(one) == value]
        _say(f"{name} {value}: n={len(ours)} found {sum(one.found for one in ours)}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main((sys.argv[1:] or ["B"])[0], "missed" in sys.argv[2:])
