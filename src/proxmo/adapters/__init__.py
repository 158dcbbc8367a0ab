"""Proxmo inside other people's training frameworks; each adapter is imported by its name."""
