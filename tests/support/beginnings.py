"""Answers to the questions of `inglenook init`, by what they show. Invented people and places."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

BASE: Mapping[str, object] = {
    "now": "A group chat on our phones, and tea on Fridays.",
    "works": "partly",
    "for_whom": "adults",
    "must": ["talk"],
    "asked": 6,
    "learnt": "They want to talk at night, and to be found by new people.",
    "access": "Big letters, and an old phone.",
    "name": "Leeds Carers Together",
    "purposes": ["Unpaid carers support each other, day to day."],
    "door": "closed",
    "door_why": "People tell things that few may know.",
    "group": "The lounge",
    "harm": "Somebody may give away a number, or be unkind.",
    "risk": "low",
    "server": "chat.charity.example",
    "lead": "copper-lark",
    "deputy": "quiet-fern",
    "moderators": ["amber-kite"],
    "operators": ["north-gate"],
    "lead_hours": "weekdays 9am to 1pm",
    "deputy_hours": "weekdays 1pm to 5pm",
    "moderator_hours": "none",
    "contacts": ["01632 960123"],
}
EVERY_DAY = {"lead_hours": "every day 9am to 1pm", "deputy_hours": "every day 1pm to 8pm"}
SOME_DAYS = {"lead_hours": "Tue 10am to 12pm, Thu 10am to 12pm", "deputy_hours": "none"}
HIGH = {
    "risk": "high",
    "accept": "lead",
    "accept_why": "Agreed by the trustees: we tell people at the door.",
    **EVERY_DAY,
}

#: What differs from BASE -> go, smaller or not_yet; for the first two, the groups: id, kind, tier.
GO: Mapping[str, tuple[Mapping[str, object], tuple[tuple[str, str, str], ...]]] = {
    "closed-low": ({}, (("talk", "closed", "low"),)),
    "closed-medium": ({"risk": "medium"}, (("talk", "closed", "medium"),)),
    "closed-high": (HIGH, (("talk", "closed", "high"),)),
    "open-low": ({"door": "open"}, (("talk", "open", "low"),)),
    "open-medium": ({"door": "open", "risk": "medium"}, (("talk", "open", "medium"),)),
    "both-low": ({"door": "both"}, (("welcome", "open", "low"), ("talk", "hybrid", "low"))),
    "both-medium": ({"door": "both", "risk": "medium"}, (("welcome", "open", "low"), ("talk", "hybrid", "medium"))),
    "news-low": ({"must": ["news"]}, (("news", "announce", "low"),)),
    "news-medium": ({"must": ["news"], "risk": "medium", **SOME_DAYS}, (("news", "announce", "medium"),)),
    "closed-low-with-news": (
        {"must": ["talk", "news"]},
        (("talk", "closed", "low"), ("news", "announce", "low")),
    ),
    "open-low-with-news": (
        {"must": ["talk", "news"], "door": "open"},
        (("talk", "open", "low"), ("news", "announce", "low")),
    ),
    "both-medium-with-news": (
        {"must": ["news", "talk"], "door": "both", "risk": "medium"},
        (("welcome", "open", "low"), ("talk", "hybrid", "medium"), ("news", "announce", "low")),
    ),
    "few-hours-at-low-risk": (SOME_DAYS, (("talk", "closed", "low"),)),
    "names-like-ours": (
        {"must": ["talk", "news"], "door": "both", "group": "start here"},
        (("welcome", "open", "low"), ("talk", "hybrid", "low"), ("news", "announce", "low")),
    ),
}
SMALLER: Mapping[str, tuple[Mapping[str, object], tuple[str, ...], tuple[tuple[str, str, str], ...]]] = {
    "two-purposes": (
        {"purposes": ["Carers talk.", "Raise money."]},
        ("two_purposes",),
        (("talk", "closed", "low"),),
    ),
    "no-cover-on-some-weekdays": (
        {"risk": "medium", **SOME_DAYS},
        ("cover_medium",),
        (("news", "announce", "low"),),
    ),
    "open-door-at-high-risk": ({**HIGH, "door": "open"}, ("door_at_high",), (("talk", "closed", "high"),)),
    "news-at-high-risk": (
        {**HIGH, "must": ["talk", "news"], "accept": "deputy"},
        ("no_news_at_high",),
        (("talk", "closed", "high"),),
    ),
    "all-of-it": (
        {**HIGH, "must": ["talk", "news"], "door": "both", "purposes": ["One.", "Two."]},
        ("two_purposes", "door_at_high", "no_news_at_high"),
        (("talk", "closed", "high"),),
    ),
}
NOT_YET: Mapping[str, tuple[Mapping[str, object], tuple[str, ...]]] = {
    "content-elsewhere": ({"works": "yes"}, ("works_elsewhere",)),
    "children": ({"for_whom": "young"}, ("children",)),
    "some-children": ({"for_whom": "both"}, ("children",)),
    "a-crisis-service": ({"must": ["talk", "crisis"]}, ("crisis",)),
    "one-to-one-work": ({"must": ["one-to-one"]}, ("one_to_one",)),
    "rooms-that-nobody-reads": ({"must": ["talk", "secret"]}, ("secret",)),
    "nobody-asked": ({"asked": 0}, ("nobody_asked",)),
    "no-lead": ({"lead": "none"}, ("no_lead",)),
    "no-deputy": ({"deputy": "none"}, ("no_deputy",)),
    "neither": ({"lead": "none", "deputy": "nobody"}, ("no_lead", "no_deputy", "nobody_there")),
    "lead-is-deputy": ({"deputy": "@copper-lark:chat.charity.example"}, ("same_person",)),
    "nobody-there": ({"lead_hours": "none", "deputy_hours": "none"}, ("nobody_there",)),
    "only-moderators-there": (
        {"risk": "medium", "lead_hours": "none", "deputy_hours": "none", "moderator_hours": "weekdays 9-17"},
        ("lead_never_there",),
    ),
    "no-cover-at-weekends-at-high-risk": (
        {**HIGH, "lead_hours": "weekdays 9-17", "deputy_hours": "Sat 10-12"},
        ("cover_high",),
    ),
    "nobody-answers-for-it": ({**HIGH, "accept": "nobody"}, ("nobody_accepts",)),
    "news-only-at-high-risk": ({**HIGH, "must": ["news"]}, ("news_at_high",)),
}


def answers_file(changed: Mapping[str, object]) -> str:
    """The text of a file for `--answers`: BASE with what is changed."""
    return yaml.safe_dump({**BASE, **changed}, allow_unicode=True, sort_keys=False)
