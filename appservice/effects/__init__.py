"""Outbox with a registry of executors, audit, undo: how decided effects reach the world once."""
