"""Credit and environments inside other people's frameworks; each adapter needs its own extra."""
