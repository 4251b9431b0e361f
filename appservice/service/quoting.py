"""How words of members are quoted to who asked to see them: all of what was removed, the start of what stood around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appservice.detection.text import visible_text
from appservice.service.detectors import finders
from policies.schema import Policy

_RELATION: Final = "m.relates_to"
#: Characters of what stood around that are shown, and that are searched: what begins among the first may end later.
_SHOWN: Final = 300
_SEARCHED: Final = 500
#: Characters of its body and of its markup that are looked at.
_LOOKED_AT: Final = 8_000
#: What stands for contact details; the catalogue says so.
_MASK, _CUT = "(…)", "…"


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


def masking(policy: Policy) -> Callable[[Mapping[str, Any]], str]:
    """Return what quotes the start of a message without anybody's contact details.

    Numbers and addresses that are public stay: helplines, offices, and what the policy allows.
    """
    phones, identifiers = finders(policy)

    def masked(content: Mapping[str, Any]) -> str:
        start = {name: one[:_LOOKED_AT] if isinstance(one, str) else one for name, one in content.items()}
        text = whole(start).strip()
        searched = text[:_SEARCHED]
        found = [(one.start, one.end) for one in phones.find(searched) if one.kind.may_be_private]
        found += [(one.start, one.end) for one in identifiers.find(searched)]
        pieces, position = [], 0
        for first, last in sorted(found):
            if first >= _SHOWN:
                break
            if first >= position:
                pieces += [text[position:first], _MASK]
            position = max(position, last)
        pieces.append(text[position:_SHOWN])
        more = _CUT if len(text) > max(position, _SHOWN) else ""
        return " ".join("".join(pieces).split()) + more

    return masked
