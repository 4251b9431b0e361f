"""How a text becomes an event: rendered when it leaves, marked with its effect's key, looked up by it if in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.flow import Attempt, Done, Effect, Identity, Item, Rendered, Wording, transaction_id
from appservice.matrix import Actor, HomeserverClient, parse_event

#: The field of a sent event's content that names the effect it came from.
KEY_FIELD = "org.inglenook.key"
#: Pages of 100 events that a search for an earlier attempt goes back.
_PAGES = 10


class Speaker:
    """Sends rendered texts as one of our identities."""

    def __init__(self, client: HomeserverClient, actors: Mapping[Identity, Actor], wording: Wording) -> None:
        self._client = client
        self._actors = actors
        self._wording = wording

    def actor(self, identity: Identity) -> Actor:
        return self._actors[identity]

    async def say(
        self,
        room_id: str,
        effect: Effect,
        text: str,
        items: tuple[Item, ...],
        attempt: Attempt,
        *,
        replaces: str | None = None,
        part: str = "",
    ) -> Done:
        """Send `text` to a room for `effect`; `replaces` makes it an edit of that event of ours.

        Sent once: by transaction id, and by looking for the key where the homeserver's memory may have gone.
        """
        actor = self._actors[effect.identity]
        mark = effect.key + (f"/{part}" if part else "")
        if attempt.look_first:
            found = await self.find(room_id, mark, actor)
            if found is not None:
                return Done(event_id=found, room_id=room_id, already=True)
        content = message_content(self._wording.render(text, items), mark, replaces)
        event_id = await self._client.send(room_id, "m.room.message", content, transaction_id(effect.key, part), actor)
        return Done(event_id=event_id, room_id=room_id)

    async def find(self, room_id: str, mark: str, actor: Actor) -> str | None:
        """Return the event of ours in a room that carries `mark`, if it is among the newest thousand."""
        start: str | None = None
        for _ in range(_PAGES):
            page = await self._client.messages(room_id, actor, start=start)
            chunk = page.get("chunk")
            for raw in chunk if isinstance(chunk, list) else []:
                event = parse_event(raw, room_id)
                if event.sender == actor.user_id and event.content.get(KEY_FIELD) == mark:
                    return event.event_id
            end = page.get("end")
            if not isinstance(end, str):
                return None
            start = end
        return None


def message_content(rendered: Rendered, mark: str, replaces: str | None = None) -> dict[str, Any]:
    """Return the content of an `m.room.message`; mentions are explicit always (an absent field pings by name)."""
    content: dict[str, Any] = {
        "msgtype": rendered.msgtype,
        "body": rendered.body,
        "format": "org.matrix.custom.html",
        "formatted_body": rendered.html,
        "m.mentions": {"user_ids": list(rendered.mentions)} if rendered.mentions else {},
    }
    if replaces is None:
        return content | {KEY_FIELD: mark} | dict(rendered.extra)
    return {
        "msgtype": rendered.msgtype,
        "body": f"* {rendered.body}",
        "format": "org.matrix.custom.html",
        "formatted_body": f"* {rendered.html}",
        "m.mentions": {},
        "m.new_content": content,
        "m.relates_to": {"rel_type": "m.replace", "event_id": replaces},
        KEY_FIELD: mark,
    }
