"""What is well formed and still cannot be meant: references to nothing, rules against each other, nobody in charge.

Each problem names the path of the value that a person must look at; `load` gives it its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from policies.approvers import problems_of_approvers, problems_of_approving_roles
from policies.contacts import problems_of_contacts
from policies.defaults import CONDUCT_RULES, DRIFT, KINDS, MODERATION_LEVEL, RESERVED_KEYS, TIERS, Duty
from policies.federation import reach_of_community, reach_of_group
from policies.federation_problems import problems_of_elsewhere, problems_of_federation
from policies.findings import did_you_mean, shown
from policies.group_words import problems_of_hours, problems_of_joining, problems_of_posting
from policies.intent import choices, drift_choices
from policies.keeping import default_of, longer_than_usual
from policies.ladder_problems import problems_of_ladders, problems_of_those_called
from policies.limits import DANGERS, Limit, looser, setting_of
from policies.listed import problems_of_cover, problems_of_places
from policies.names import problems_of_names
from policies.people import People, PeopleFile, people_of
from policies.problems import Problem, repeated
from policies.publishing_problems import problems_of_publishing
from policies.schema import Group, Policy
from policies.source import Path
from policies.times import a_year_after
from policies.versions import CURRENT

__all__ = ["Problem", "problem_of_version", "problems_of_dates", "problems_of_people", "problems_of_policy"]


def problems_of_policy(policy: Policy) -> Iterator[Problem]:
    """Yield what contradicts itself, or is missing from the whole, in a well-formed policy."""
    yield from _owners(policy)
    yield from _roles(policy)
    yield from problems_of_names(policy)
    for group_id, group in policy.groups.items():
        path: Path = ("groups", group_id)
        if group_id in RESERVED_KEYS:
            message = f'"{group_id}" is the id of a room that every community has'
            yield Problem(path, message, "Choose another id; this room is made without being written down.", key=True)
        yield from _tier(path, group, addressed=not reach_of_community(policy).federates)
        yield from _choices(path, group, federated=reach_of_group(policy, group).federates)
        yield from _capacity(path, group)
        yield from problems_of_hours(policy, path, group)
        yield from problems_of_posting(path, group)
        yield from problems_of_publishing(policy, path, group)
        yield from _retention(path, group, policy.schema_version)
        yield from problems_of_joining(policy, path, group)
    yield from problems_of_federation(policy)
    yield from _rules(policy)
    yield from problems_of_ladders(policy)
    yield from problems_of_approving_roles(policy)
    yield from _drift(policy)
    yield from _promises(policy)
    yield from problems_of_contacts(policy)
    yield from _limits(policy)
    for index, contact in repeated(policy.community.allowed_contacts):
        where: Path = ("community", "allowed_contacts", index)
        yield Problem(where, f"{contact} stands here twice", "Remove one of the two.")


def _owners(policy: Policy) -> Iterator[Problem]:
    owners = policy.community.owners
    for office, role in (("safeguarding_lead", owners.safeguarding_lead), ("deputy", owners.deputy)):
        if role not in policy.roles:
            path: Path = ("community", "owners", office)
            yield Problem(path, f'there is no role "{shown(role)}"', did_you_mean(role, policy.roles))
    if owners.safeguarding_lead == owners.deputy:
        advice = "Name another role: a deputy stands in when the lead is away, or when a case is about the lead."
        yield Problem(("community", "owners", "deputy"), "lead and deputy are the same role", advice)


def _roles(policy: Policy) -> Iterator[Problem]:
    for role_id, role in policy.roles.items():
        for index, duty in repeated(role.can):
            yield Problem(("roles", role_id, "can", index), f"{duty} stands here twice", "Remove one of the two.")
        if "moderate" in role.can and role.level < MODERATION_LEVEL:
            message = f"the role {role_id} is to moderate, but has level {role.level}"
            advice = f"Give it level {MODERATION_LEVEL} or more: below, the homeserver refuses it to remove anything."
            yield Problem(("roles", role_id, "level"), message, advice)
    duties: set[Duty] = {duty for role in policy.roles.values() for duty in role.can}
    if "moderate" not in duties:
        advice = 'Add "can: [moderate]" to a role with level 50 or more: its holders get the cards.'
        yield Problem(("roles",), "no role can moderate", advice, key=True)
    if "operate" not in duties:
        advice = 'Add "can: [operate]" to a role, or nobody is in the ops room when the server needs a person.'
        yield Problem(("roles",), "no role can operate the server", advice, "advice", key=True)
    hybrid = [group_id for group_id, group in policy.groups.items() if group.kind == "hybrid"]
    if hybrid and "approve_join" not in duties:
        message = f"people may ask to join {shown(hybrid[0])}, but no role can let them in"
        advice = 'Add "can: [approve_join]" to a role, or make the group closed.'
        yield Problem(("groups", hybrid[0], "kind"), message, advice)


def _rules(policy: Policy) -> Iterator[Problem]:
    for name, setting in policy.rules.items():
        path: Path = ("rules", name)
        if name not in CONDUCT_RULES:
            yield Problem(path, f'there is no rule "{shown(name)}"', did_you_mean(name, CONDUCT_RULES), key=True)
            continue
        weaker = CONDUCT_RULES[name].mode == "enforce" and setting.mode == "shadow"
        if weaker and not (setting.because and setting.approved_by):
            advice = (
                f'Write "{name}: {{mode: shadow, because: …, approved_by: safeguarding_lead}}", or leave it out: '
                "it then acts, and somebody is kept safe by it."
            )
            yield Problem(path, f"{name} would only count, without a reason and a name", advice, key=True)


def _drift(policy: Policy) -> Iterator[Problem]:
    for choice in drift_choices(policy):
        path: Path = ("drift", choice.aspect)
        default = DRIFT[choice.aspect]
        if choice.weaker and not choice.vouched:
            message = f"what somebody changes by hand of {default.words} would stand, without a reason and a name"
            advice = (
                f'Write "{choice.aspect}: {{value: {choice.answer}, because: …, approved_by: safeguarding_lead}}", '
                f"or leave it out: it is then put back at once. {default.because}"
            )
            yield Problem(path, message, advice, key=True)
        elif choice.setting is not None and choice.setting.approved_by is not None and not choice.weaker:
            message = f"{choice.aspect}: {choice.answer} is not weaker than it is by itself"
            advice = f"Nobody needs to answer for it. Write only: {choice.aspect}: {choice.answer}"
            yield Problem(path, message, advice, "advice", key=True)


def _choices(path: Path, group: Group, *, federated: bool) -> Iterator[Problem]:
    what = f"a group of kind {group.kind}" + (" that people of other servers are in" if federated else "")
    for choice in choices(group, federated=federated):
        where: Path = (*path, choice.aspect)
        if choice.aspect == "posting" and choice.weaker:
            message = "everybody could write, so nothing is announced here"
            yield Problem(where, message, "Leave posting out, or make the group open, hybrid or closed.")
        elif choice.weaker and not choice.vouched:
            message = f"{choice.aspect} is wider than {what} has it, without a reason and a name"
            advice = (
                f'Write "{choice.aspect}: {{value: {choice.value}, because: …, approved_by: safeguarding_lead}}", '
                f"or leave it out: it is then {choice.default}."
            )
            yield Problem(where, message, advice, key=True)
        elif choice.setting is not None and not choice.weaker and choice.setting.approved_by is not None:
            message = f"{choice.aspect} {choice.value} is not weaker than {what} has it"
            advice = f"Nobody needs to answer for it. Write only: {choice.aspect}: {choice.value}"
            yield Problem(where, message, advice, "advice", key=True)


def _retention(path: Path, group: Group, version: int) -> Iterator[Problem]:
    setting = group.retention
    if setting is None:
        return
    where: Path = (*path, "retention")
    usual = default_of(group)
    if longer_than_usual(group):
        if version >= 2 and not setting.vouched:
            message = f"messages are kept longer than a group of tier {group.tier} has it, without a reason and a name"
            advice = (
                f'Write "retention: {{value: {setting.value}, because: …, approved_by: safeguarding_lead}}", '
                f"or leave it out: it is then {usual}."
            )
            yield Problem(where, message, advice, key=True)
    elif setting.approved_by is not None:
        message = f"{setting.value} is not longer than a group of tier {group.tier} has it"
        advice = f"Nobody needs to answer for it. Write only: retention: {setting.value}"
        yield Problem(where, message, advice, "advice", key=True)


def problem_of_version(policy: Policy) -> Iterator[Problem]:
    """Yield that there is a newer version of the language, where a policy is written in an older one. Advice only."""
    if policy.schema_version != CURRENT:
        message = f"this is written in version {policy.schema_version} of the language, and the newest is {CURRENT}"
        advice = "It goes on meaning what it means. When you have time: inglenook migrate FILE"
        yield Problem(("schema",), message, advice, "advice")


def _capacity(path: Path, group: Group) -> Iterator[Problem]:
    if group.capacity is not None and group.kind not in ("hybrid", "closed"):
        message = f"people come into a group of kind {group.kind} by themselves, so nobody could keep to a capacity"
        yield Problem((*path, "capacity"), message, "Remove it, or make the group hybrid or closed.", key=True)


def _promises(policy: Policy) -> Iterator[Problem]:
    conduct, risk = policy.community.code_of_conduct, policy.community.risk_assessment
    where: Path = ("community", "code_of_conduct")
    if conduct is not None and conduct.text is None and conduct.address is None:
        advice = 'Add "text: …" or "address: https://…": people cannot keep to what they cannot read.'
        yield Problem(where, "the code of conduct says nothing", advice, key=True)
    if risk is None:
        return
    where = ("community", "risk_assessment")
    if risk.by not in policy.roles:
        yield Problem((*where, "by"), f'there is no role "{shown(risk.by)}"', did_you_mean(risk.by, policy.roles))
    if risk.next <= risk.reviewed:
        message = f"the next review, {risk.next}, is not after the last one, {risk.reviewed}"
        yield Problem((*where, "next"), message, "Name a later day: a year after the last one at most.")
    elif risk.next > a_year_after(risk.reviewed):
        message = "the next review is more than a year after the last one"
        advice = "Look at it once a year at least: after a year it counts as out of date."
        yield Problem((*where, "next"), message, advice, "advice")


def _limits(policy: Policy) -> Iterator[Problem]:
    limits = policy.community.limits
    if "limits" in policy.community.model_fields_set and (limits is None or not limits.model_fields_set):
        advice = 'Write for instance "removals: {percent: 20}", or remove it: all is then as it is by itself.'
        yield Problem(("community", "limits"), "limits says nothing", advice, "advice", key=True)
    for danger in DANGERS:
        setting = setting_of(policy, danger)
        path: Path = ("community", "limits", danger)
        if setting is None:
            continue
        if setting.percent is None and setting.of_at_least is None:
            advice = 'Write for instance "percent: 20", or remove it: it is then as it is by itself.'
            yield Problem(path, f"{danger} says nothing", advice, "advice", key=True)
        if looser(setting) and not setting.vouched:
            message = f"more {danger} at once than {Limit()} would pass, without a reason and a name"
            advice = 'Add "because: …" and "approved_by: safeguarding_lead" there, or leave it out.'
            yield Problem(path, message, advice, key=True)
        elif not looser(setting) and setting.approved_by is not None:
            message = f"this is not looser than {danger} are limited by themselves"
            yield Problem(path, message, "Nobody needs to answer for it: leave approved_by out.", "advice", key=True)


def problems_of_dates(policy: Policy, today: date) -> Iterator[Problem]:
    """Yield what is out of date on this day. Advice only: a date that has passed stops nothing (CARE, rule 10)."""
    risk = policy.community.risk_assessment
    if risk is None:
        return
    where: Path = ("community", "risk_assessment")
    if risk.reviewed > today:
        message = f"the risk assessment was reviewed on {risk.reviewed}, and today is {today}"
        yield Problem((*where, "reviewed"), message, "Write the day on which it was done.", "advice")
    if risk.next <= today:
        message = f"the risk assessment was to be looked at again by {risk.next}"
        advice = "Review it, then write the day and the next one. All goes on meanwhile; new risks wait for it."
        yield Problem((*where, "next"), message, advice, "advice")


def _tier(path: Path, group: Group, *, addressed: bool) -> Iterator[Problem]:
    tier = TIERS[group.tier]
    if not tier.offered:
        advice = "Do not run a group for children here. Use a service made for it, until this one says that it can."
        yield Problem((*path, "tier"), f"tier {group.tier} cannot be kept safe yet, so it does not load", advice)
        return
    if tier.needs_accept_limits and group.accept_limits is None:
        advice = (
            'Add "accept_limits: {because: …, approved_by: safeguarding_lead}": private rooms and messages between '
            "members cannot be stopped yet, and somebody must answer for that."
        )
        yield Problem((*path, "tier"), f"tier {group.tier} needs accept_limits", advice)
    if not tier.needs_accept_limits and group.accept_limits is not None:
        advice = "Remove accept_limits, or set the tier that is meant."
        message = f"accept_limits has no meaning in tier {group.tier}"
        yield Problem((*path, "accept_limits"), message, advice, "advice", key=True)
    if group.kind not in tier.kinds:
        advice = f"Make it {' or '.join(tier.kinds)}. {tier.because}"
        yield Problem((*path, "kind"), f"a group of tier {group.tier} cannot be {group.kind}", advice)
    elif not tier.in_space and KINDS[group.kind].join_rule == "knock" and not addressed:
        message = "this group has no address while the community lets in other servers, so nobody finds it to ask"
        yield Problem((*path, "kind"), message, "Make it closed, and ask people in by the people file.", "advice")
    elif not tier.in_space and KINDS[group.kind].join_rule == "knock" and not _hidden(group):
        message = "whoever has the address of this group sees its name, purpose and number of members"
        advice = "Make it closed, or choose a name and a purpose that tell nothing of the people in it."
        yield Problem((*path, "kind"), message, advice, "advice")


def _hidden(group: Group) -> bool:
    return group.publish is not None and group.publish.value == "nothing"


#: How the accounts of Inglenook itself begin.
OURS: Final = "@inglenook-"


def problems_of_people(policy: Policy, file: PeopleFile) -> Iterator[Problem]:
    """Yield what a well-formed people file says that its policy does not know, and which offices nobody holds."""
    for user_id, entry in file.people.items():
        path: Path = ("people", user_id)
        if user_id.startswith(OURS) and user_id.endswith(f":{policy.community.server}"):
            advice = "Remove it. The helper program comes into its rooms by itself, and holds no role."
            yield Problem(path, f"{shown(user_id)} is the helper program itself, and no person", advice, key=True)
        for index, role in enumerate(entry.roles):
            if role not in policy.roles:
                advice = did_you_mean(role, policy.roles)
                yield Problem((*path, "roles", index), f'there is no role "{shown(role)}"', advice)
        for index, role in repeated(entry.roles):
            if role in policy.roles:
                yield Problem((*path, "roles", index), f"{role} stands here twice", "Remove one of the two.", "advice")
        for index, group in repeated(entry.groups):
            yield Problem((*path, "groups", index), f"{group} stands here twice", "Remove one of the two.", "advice")
        for index, group in enumerate(entry.groups):
            if group not in policy.groups:
                advice = did_you_mean(group, policy.groups)
                yield Problem((*path, "groups", index), f'there is no group "{shown(group)}"', advice)
    yield from problems_of_elsewhere(policy, file)
    yield from problems_of_places(policy, file)
    yield from _offices(policy, people_of(file))
    yield from problems_of_cover(policy, people_of(file))
    yield from problems_of_those_called(policy, people_of(file))
    yield from problems_of_approvers(policy, people_of(file))


def _offices(policy: Policy, people: People) -> Iterator[Problem]:
    owners = policy.community.owners
    leads, deputies = people.holders(owners.safeguarding_lead), people.holders(owners.deputy)
    for office, role, holders in (
        ("safeguarding lead", owners.safeguarding_lead, leads),
        ("deputy", owners.deputy, deputies),
    ):
        if not holders:
            message = f'nobody holds the role "{shown(role)}", which the policy names as {office}'
            yield Problem(("people",), message, f"Give somebody the role: roles: [{shown(role)}].", key=True)
    if leads and deputies and len({*leads, *deputies}) < 2:
        message = f"{shown(leads[0])} is safeguarding lead and deputy at once"
        advice = "Give one of the two roles to another person: nobody should carry this alone."
        yield Problem(("people", leads[0]), message, advice, key=True)
