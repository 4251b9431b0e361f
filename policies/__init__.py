"""Policies: schema, loading, compiling, power levels, planning. Pure: only `files` touches the disk; no network, clock or environment."""
