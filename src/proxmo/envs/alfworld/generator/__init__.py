"""Games made from a seed."""
