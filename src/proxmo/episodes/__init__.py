"""Episodes: a policy acts in environments, and what happened is recorded."""
