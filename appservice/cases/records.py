"""A case as it is stored. A field that an older version did not know has its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from appservice.flow import Audience, CardOf, Case, CaseEvent, CaseState, Track


def record_of(case: Case) -> bytes:
    """Return what is written down of a case: ids and states, nobody's words."""
    return orjson.dumps(asdict(case))


def case_from(record: Mapping[str, Any]) -> Case:
    """Return the case of a record. Raises KeyError, TypeError or ValueError for what is none."""
    fields: dict[str, Any] = dict(record)
    fields.setdefault("moved", fields["rung"] > 0)  # before ladders were written down, the first step moved it
    fields["track"], fields["audience"] = Track(fields["track"]), Audience(fields["audience"])
    fields["state"] = CaseState(fields["state"])
    fields["events"] = tuple(CaseEvent(**one) for one in fields["events"])
    fields["cards"] = tuple(CardOf(**one) for one in fields["cards"])
    return Case(**fields)
