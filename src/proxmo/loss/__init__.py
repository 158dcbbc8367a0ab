"""The loss: pure functions of tensors, one entry per token."""
