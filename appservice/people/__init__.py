"""Direct rooms, reach, roles held: who can be told something, and how."""
