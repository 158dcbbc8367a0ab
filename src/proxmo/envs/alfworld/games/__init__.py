"""Finding, reading and replaying games."""
