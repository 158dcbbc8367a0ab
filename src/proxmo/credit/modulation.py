"""Success-rate-aware modulation of the episode advantage."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from proxmo.credit.steps import Bools, Floats


def modulation_weights(
    success: Bools, success_rate: Floats, alpha: float, modulation: float
) -> Floats:
    """Weight of a trajectory by its outcome and its group's success rate p.

        w(s, p) = 1 + beta f(s, p),    beta = m / (sigmoid(1) - 1/2),
        f(1, p) = sigmoid((1 - p)^alpha) - 1/2,    f(0, p) = sigmoid(-p^alpha) - 1/2

    All (M,), one per trajectory; m is `modulation`. A success in a group that always fails
    weighs 1 + m, a failure in a group that always succeeds 1 - m, and in between w moves
    monotonically: rare successes count more, rare failures less.
    """
    beta = modulation / (expit(1.0) - 0.5)
    exponent = np.where(success, (1.0 - success_rate) ** alpha, -(success_rate**alpha))
    return 1.0 + beta * (expit(exponent) - 0.5)
