"""The only composer: registers handlers, executors and wording, and runs the process."""
