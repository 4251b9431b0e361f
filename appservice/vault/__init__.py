"""Sealing what must be kept: only who holds a key can read it. Behind `flow.Vault`, so that it can move away."""

from __future__ import annotations

from appservice.vault.age import AgeVault

__all__ = ["AgeVault"]
