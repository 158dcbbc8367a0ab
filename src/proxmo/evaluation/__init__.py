"""How good an agent is: success per task type with intervals, lengths, invalid actions."""
