"""Schema, migrations and queries; the only room that knows SQL. One writer, group commit."""
