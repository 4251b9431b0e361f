"""Stored deadlines that become inputs."""
