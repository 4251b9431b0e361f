"""What the running service says of itself: numbers and problems, no names, no texts, no room ids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import appservice

if TYPE_CHECKING:
    from appservice.service.core import Core


def status_of(core: Core) -> dict[str, Any]:
    """Return how the service is, for `inglenook status`."""
    now = int(time.time() * 1000)
    problems = []
    if core.client.reachable is False:
        problems.append("the homeserver does not answer")
    if core.database.refusing:
        problems.append(f"the store refuses to write: {core.database.refusing}")
    if core.waiting_for not in {None, "provisioning"}:
        problems.append(f"waiting for {core.waiting_for}")
    if core.governance.said is None:
        problems.append("there is no policy yet: `inglenook apply FILE` puts one in force")
    elif core.governance.held:
        figures = "; ".join(share.figures() for share in core.governance.held)
        problems.append(
            f"the policy is held back, nothing is done to any room: {figures}. `inglenook plan` says for whom"
        )
    elif core.governance.remaining and core.ready:
        problems.append("not all of the policy could be made true: `inglenook plan` says what is left")
    if core.governance.waiting is not None:
        problems.append(core.governance.waiting.words())
    drift = core.drift.book.counts
    if drift["standing"]:
        problems.append(f"{drift['standing']} settings were changed by hand, and stand: `inglenook drift` lists them")
    if drift["contested"]:
        problems.append("a setting is changed again and again: `inglenook drift` says by whom")
    if core.governance.said is not None:
        problems += [note.text for note in core.provisioner.homeserver_notes(core.governance.said.community)]
    problems += core.casework.vault_problems
    if core.casework.evidence.failures:
        problems.append(f"{core.casework.evidence.failures} removed messages could not be sealed")
    if core.file_differs:
        problems.append("the policy file is not what is in force: `inglenook plan` says what would change")
    return {
        "version": appservice.__version__,
        "ready": core.ready,
        "waiting_for": core.waiting_for,
        "problems": problems,
        "uptime_s": round(time.time() - core.started, 1),
        "homeserver": {
            "name": core.config.homeserver.name,
            "reachable": core.client.reachable is not False,
            "restored": core.restore_check.times,
            "events_lost": core.restore_check.lost,
        },
        "policy": {
            "in_force": core.governance.said is not None,
            "settled": core.governance.settled,
            "changes_left": core.governance.remaining,
            "review_due": str(due) if (due := core.governance.review_due) is not None else None,
        },
        "rooms": sum(1 for room in core.projection.rooms() if room.managed),
        "lanes": {"waiting": core.lanes.waiting, "handled": core.lanes.handled},
        "outbox": {"waiting": core.outbox.waiting, "oldest_ms": core.outbox.oldest_ms, "done": core.outbox.settled},
        "transactions": {
            "taken": core.endpoint.transactions,
            "last_ms_ago": None if core.endpoint.last_ms is None else now - core.endpoint.last_ms,
            "too_large": core.endpoint.oversized,
            "undecodable": core.endpoint.undecodable,
            "unauthorised": core.endpoint.unauthorised,
        },
        "gap_check": {
            "checks": core.gap.checks,
            "last_ms_ago": None if core.gap.last_ok_ms is None else now - core.gap.last_ok_ms,
            "recovered": core.lanes.recovered,
            "incomplete": core.gap.incomplete,
            "failures": core.gap.failures,
        },
        "drift": drift,
        "cases": dict(core.casework.book.counts),
        "shadow_7_days": dict(core.casework.shadow.counts),
        "store": {"commits": core.database.commits, "refusing": core.database.refusing},
    }
