"""Demo, the embedded homeserver, status: what the person who runs it needs."""
