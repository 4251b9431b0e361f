"""Notices at once that a homeserver went away: a connection that carries nothing ends when its process does.

Requests alone may miss a short restart, since a client silently opens a new connection for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

#: Seconds between attempts to connect while nobody is there.
_PAUSE_S = 0.25


class Watch:
    """Calls `came_back()` whenever a connection to `url` could be made after one had ended.

    A server also ends idle connections after a while; what follows must therefore be cheap.
    """

    def __init__(self, url: str, came_back: Callable[[], None]) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._came_back = came_back

    async def run(self) -> None:
        """Watch for the life of the process."""
        first = True
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if not first:
                self._came_back()
            first = False
            try:
                with suppress(OSError):
                    await reader.read(1)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            await asyncio.sleep(_PAUSE_S)
