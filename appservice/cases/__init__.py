"""Decide, cases, ladder: what happens when something is wrong. Never knows a card."""
