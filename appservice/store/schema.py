"""The tables. Changes go through a new file in `migrations/versions`, never through an edit alone (a test compares)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

metadata = MetaData()

#: Every input that ever arrived, by id. `body` (JSON) stands only until the input is handled.
journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("homeserver", String, nullable=False),
    Column("input_id", String, nullable=False),
    Column("room_id", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("state", String, nullable=False),  # pending | done | set_aside
    Column("origin_ts", Integer, nullable=False),
    Column("received_ms", Integer, nullable=False),
    Column("body", LargeBinary),
    UniqueConstraint("homeserver", "input_id"),
    Index("journal_open", "state", sqlite_where=Column("state") != "done"),
)

#: Inputs that a handler failed on three times; the others' effects were committed.
set_aside = Table(
    "set_aside",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("input_id", String, primary_key=True),
    Column("handler", String, primary_key=True),
    Column("error", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
)

#: Decided effects, by key. `record` is the effect without any member's words.
outbox = Table(
    "outbox",
    metadata,
    Column("key", String, primary_key=True),
    Column("homeserver", String, nullable=False),
    Column("source", String, nullable=False),
    Column("type", String, nullable=False),
    Column("merge_key", String),
    Column("state", String, nullable=False),  # queued | done | refused | merged | void
    Column("record", LargeBinary, nullable=False),
    Column("merged_into", String),
    Column("attempts", Integer, nullable=False, default=0),
    Column("code", String),
    Column("event_id", String),
    Column("event_room", String),
    Column("created_ms", Integer, nullable=False),
    Column("settled_ms", Integer),
    Index("outbox_open", "state", sqlite_where=Column("state") == "queued"),
    Index("outbox_settled", "settled_ms"),
    Index("outbox_merged", "merged_into", sqlite_where=Column("merged_into").is_not(None)),
)

#: One hash chain per lane: hash = sha256(previous hash + line).
audit = Table(
    "audit",
    metadata,
    Column("lane", String, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

#: Whom a commitment in an audit line stands for; a row erased forgets the person and leaves the chain whole.
audit_names = Table(
    "audit_names",
    metadata,
    Column("commitment", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False),
)

#: Hourly: the heads that moved, chained, so that a chain cut off at its end is noticed.
audit_anchors = Table(
    "audit_anchors",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("heads", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
)

#: The projection that facts are rebuilt from.
rooms = Table(
    "rooms",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("room_id", String, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("room_id", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("membership", String, nullable=False),
)

#: The direct room of each person with the guardian; `reach` is reached | invited | left | blocked.
direct_rooms = Table(
    "direct_rooms",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("room_id", String, nullable=False),
    Column("reach", String, nullable=False),
)

#: Who was let into a group by a person whose role may; `source` is the event by which it was decided.
approvals = Table(
    "approvals",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("community", String, primary_key=True),
    Column("grp", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("approved_by", String, nullable=False),
    Column("source", String, nullable=False),
)

#: What people were told of groups that they came into: `said` is a hash of it, `at_ms` when it left or leaves.
greetings = Table(
    "greetings",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("grp", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("said", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
)

#: Concerns that rules saw; `source` is the event. No words of it: what was written is nobody's business here.
concerns = Table(
    "concerns",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
)

#: Messages that a rule in shadow would have removed. No words; `about` is the author, who is not to be told of it here.
shadowed = Table(
    "shadowed",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("rule", String, primary_key=True),
    Column("community", String, nullable=False),
    Column("room_id", String, nullable=False),
    Column("about", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
)

#: Cases. `record` is the case without anybody's words; `closed_ms` is NULL while it is open.
cases = Table(
    "cases",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("record", LargeBinary, nullable=False),
    Column("opened_ms", Integer, nullable=False),
    Column("closed_ms", Integer),
)

#: What a tap on a card means. Nothing of it is read from the card itself, which anybody could imitate.
buttons = Table(
    "buttons",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("room_id", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("case_id", String, nullable=False),
    Column("action", String, nullable=False),
    Column("duty", String, nullable=False),
    Column("expires_ms", Integer, nullable=False),
    Column("used_by", String, nullable=False),
)

#: Messages that were removed, sealed in the commit that queued their removal; `of_event` is what an edit was an edit of.
evidence = Table(
    "evidence",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("room_id", String, nullable=False),
    Column("of_event", String, nullable=False),
    Column("case_id", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("stands", Boolean),  # true for a message that was kept and not removed
    Index("evidence_case", "case_id"),
)

#: Who asked to see evidence, when, and (sealed) why.
evidence_reads = Table(
    "evidence_reads",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("case_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("reason", LargeBinary, nullable=False),
)

#: The policy that was applied last, with its people, as they were written; `settled` once nothing of it was left to do;
#: `unguarded` while it came from the configuration and its plan has not passed the thresholds; `layers` (JSON) is what
#: was set in rooms.
in_force = Table(
    "in_force",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("policy", LargeBinary, nullable=False),
    Column("policy_name", String, nullable=False),
    Column("people", LargeBinary, nullable=False),
    Column("people_name", String, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("unguarded", Boolean),
    Column("layers", LargeBinary),
)

#: Each policy that a person applied, by number: the plan (JSON), what was in force before it (NULL for the first one; with `layers`),
#: and digests of what it put in force. `undoes` and `undone_by` are numbers.
applied_plans = Table(
    "applied_plans",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("community", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False),
    Column("summary", String, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("after", String, nullable=False),
    Column("policy", LargeBinary),
    Column("policy_name", String),
    Column("people", LargeBinary),
    Column("people_name", String),
    Column("undoes", Integer),
    Column("undone_by", Integer),
    Column("layers", LargeBinary),
)

#: Plans that were proposed in rooms, by the number that they keep once applied; `record` (JSON) names who asked and what
#: the card says.
proposals = Table(
    "proposals",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("community", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
)

#: What somebody changed by hand of what the policy says: who, when (ms), how often within an hour, and what followed.
drifts = Table(
    "drifts",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("room_id", String, nullable=False),
    Column("community", String, nullable=False),
    Column("grp", String, nullable=False),
    Column("aspect", String, nullable=False),
    Column("type", String, nullable=False),
    Column("state_key", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("first_ms", Integer, nullable=False),
    Column("last_ms", Integer, nullable=False),
    Column("times", Integer, nullable=False),
    Column("done", String, nullable=False),
    Index("drifts_last", "last_ms"),
)

#: Who was new to a group while the first messages of newcomers are read first, and what became of it (JSON).
newcomers = Table(
    "newcomers",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("community", String, primary_key=True),
    Column("grp", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)

#: What a newcomer sent for reading, sealed; its row goes when somebody has decided and that is done. `shown` (JSON) are
#: those who were shown it.
held_words = Table(
    "held_words",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("community", String, nullable=False),
    Column("grp", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("shown", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

#: Where we stand in streams of others: the gap check's token, and the like.
positions = Table(
    "positions",
    metadata,
    Column("homeserver", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
