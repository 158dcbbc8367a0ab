"""The rules and sentences of a game, run."""
