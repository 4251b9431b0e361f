"""Observe, apply, reconcile: makes the homeserver be what the policy says."""

from __future__ import annotations

from appservice.provisioning.apply import Applied, Applier, Made, Progress
from appservice.provisioning.drift_book import DriftBook, Episode
from appservice.provisioning.elsewhere import TooLarge
from appservice.provisioning.observe import Observer, identities_of
from appservice.provisioning.reconcile import Find, Provisioner, Reconciled

__all__ = [
    "Applied",
    "Applier",
    "DriftBook",
    "Episode",
    "Find",
    "Made",
    "Observer",
    "Progress",
    "Provisioner",
    "Reconciled",
    "TooLarge",
    "identities_of",
]
