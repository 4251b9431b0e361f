"""Cards, prompts, words and taps, text catalogues: everything a person reads or answers."""
