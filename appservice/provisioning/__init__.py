"""Observe, apply, watch for drift: makes the homeserver be what the policy says."""

from __future__ import annotations

from appservice.provisioning.apply import Applied, Provisioner

__all__ = ["Applied", "Provisioner"]
