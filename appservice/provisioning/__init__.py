"""Observe, apply, watch for drift: makes the homeserver be what the policy says."""
