"""Prompting baselines: what a model does untrained, by how it is asked."""
