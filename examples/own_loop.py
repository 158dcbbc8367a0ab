"""Credit in a loop of one's own: from plain arrays to the advantage of every token.

uv run python examples/own_loop.py
"""

import numpy as np

import proxmo

# Two episodes of one task: each row is a turn, in any order.
steps = proxmo.Steps(
    group=["mug"] * 5,  # the episodes of one task, from one start
    trajectory=["a", "a", "a", "b", "b"],  # unique in the batch
    step=[0, 1, 2, 0, 1],
    observation=["a room", "a cabinet", "a mug in the cabinet", "a room", "an empty fridge"],
    reward=[0.0, 0.0, 10.0, 0.0, 0.0],
    success=[True, True, True, False, False],  # the episode's, on each of its turns
)
credit = proxmo.ProxMO()(steps)

# One row per response, padded: the tokens that the policy sampled are 1.
response_mask = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1], [1, 1, 0]])
token_advantages = credit.advantage[:, None] * response_mask  # (5, 3): what the loss wants

print(token_advantages.round(2))
print(credit.diagnostics)
