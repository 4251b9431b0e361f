"""Observe, apply, reconcile: makes the homeserver be what the policy says."""

from __future__ import annotations

from appservice.provisioning.apply import Applied, Applier, Made, Progress
from appservice.provisioning.observe import Observer
from appservice.provisioning.reconcile import Provisioner, Reconciled

__all__ = ["Applied", "Applier", "Made", "Observer", "Progress", "Provisioner", "Reconciled"]
