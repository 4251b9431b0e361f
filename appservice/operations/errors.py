"""The one error that operations raise for something that went wrong outside the program."""

from __future__ import annotations


class OperationFailed(Exception):
    """An operation could not be done. The message says what happened, to what, and what to do; the CLI exits with 1."""


class BadInput(Exception):
    """What a person gave cannot be used; its words say what it is and what to do. Nothing was done."""
