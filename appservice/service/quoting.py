"""How words of members are quoted to who asked to see them: all of what was removed, the start of what stood around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appservice.detection.text import visible_text

_RELATION = "m.relates_to"


def whole(content: Mapping[str, Any]) -> str:
    """Return all that members could read in the content of a message, whatever client they had; each part once.

    Of an edit its new words come first. Markup that says the same as the body is not said again.
    """
    parts: dict[str, str] = {}
    for part in _parts(content):
        told = "".join(sign for sign in part if sign.isalnum()).casefold() or part.strip()
        if told:
            parts.setdefault(told, part)
    return "\n".join(parts.values())


def _parts(content: Mapping[str, Any]) -> Iterator[str]:
    new, relation = content.get("m.new_content"), content.get(_RELATION)
    for form in (*((new,) if isinstance(new, Mapping) else ()), content):
        for names in (("body",), ("format", "formatted_body")):
            part = visible_text({_RELATION: relation} | {name: form.get(name) for name in names})
            yield part.removeprefix("* ") if isinstance(new, Mapping) else part
