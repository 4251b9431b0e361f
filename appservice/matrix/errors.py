"""What can go wrong between us and a homeserver, as three kinds a caller can act on."""

from __future__ import annotations


class HomeserverError(Exception):
    """Any failure of a call to the homeserver. Never carries a token, a body or a full URL."""


class Unreachable(HomeserverError):
    """No answer: refused, reset, timed out. The call may or may not have had its effect."""


class Rejected(HomeserverError):
    """The homeserver answered with an error.

    `status` is the HTTP status, `errcode` the Matrix error code ("" if none), `retry_after_ms` what the homeserver
    asked us to wait (None if nothing).
    """

    def __init__(self, status: int, errcode: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{status} {errcode}".rstrip())
        self.status = status
        self.errcode = errcode
        self.retry_after_ms = retry_after_ms

    @property
    def temporary(self) -> bool:
        """Whether the same call may be answered differently later without anybody changing anything."""
        return self.status == 429 or self.status >= 500
