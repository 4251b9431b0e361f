"""The transactions endpoint, the gap check and the lanes: how inputs arrive, once and in order."""
