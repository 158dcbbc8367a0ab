"""The commands of `proxmo`, one module each; only they and `cli` print."""
