"""A credit method with options that nothing of proxmo has heard of: a file, and a line."""

from dataclasses import dataclass

import proxmo


@dataclass(frozen=True)
class Twice:
    """A step is worth its own reward, times a factor, and 1 more."""

    factor: float = 2.0
    names: tuple[str, ...] = ()

    def __call__(self, steps):
        scaled = self.factor * steps.reward + 1
        return proxmo.Credit(scaled, scaled, 0 * scaled)
