"""Text environments in Gymnasium's shape."""
