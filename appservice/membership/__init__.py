"""Doors, agreement, expiry and removal: who is in which group."""
