"""Outbox with a registry of executors, audit, undo: how decided effects reach the world once."""

from __future__ import annotations

from appservice.effects.audit import Audit
from appservice.effects.executors import NoticeExecutor, RedactExecutor
from appservice.effects.outbox import Outbox
from appservice.effects.pace import Pace
from appservice.effects.speaking import KEY_FIELD, Speaker

__all__ = ["KEY_FIELD", "Audit", "NoticeExecutor", "Outbox", "Pace", "RedactExecutor", "Speaker"]
