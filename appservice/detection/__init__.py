"""Rules and their signals: what a message carries. Decides nothing about people."""
