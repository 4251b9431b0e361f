"""Inglenook's service: each folder is one room of the house; lower rooms never import higher ones (docs/architecture.md)."""

__version__ = "0.1.0"
