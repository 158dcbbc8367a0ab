"""The cold start: a small policy from nothing, by imitation of an expert."""
