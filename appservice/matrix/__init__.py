"""The homeserver client, the admin capability and typed events. Parses, never trusts."""
