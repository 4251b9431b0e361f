"""Pure words shared by all rooms: inputs, effects, keys, facts and the protocols between them. No I/O, no libraries."""
