"""Start SkyRL with credit for every turn; takes SkyRL's own command line.

python -m proxmo.adapters.skyrl.main generator.step_wise_trajectories=true ...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from proxmo.adapters.methods import estimator_of
from proxmo.adapters.skyrl.trainer import ProxMOExp, check_config
from proxmo.credit import Estimator

# After ours, which look whether this is a SkyRL that was tested.
import ray  # isort: skip
from skyrl.train.config import SkyRLTrainConfig  # isort: skip
from skyrl.train.utils import validate_cfg  # isort: skip
from skyrl.train.utils.utils import initialize_ray  # isort: skip


@ray.remote(num_cpus=1)
def _train(cfg: Any, credit: Estimator) -> None:
    ProxMOExp(cfg, credit).run()


def main(arguments: Sequence[str] | None = None, credit: str | Estimator | None = None) -> None:
    """Train as the command line says; `credit` is an estimator or a name of `proxmo.CREDIT`
    (ProxMO where none is given)."""
    estimator = estimator_of(credit)  # here, where a method of the caller's own has its name
    overrides = list(sys.argv[1:] if arguments is None else arguments)
    cfg = SkyRLTrainConfig.from_cli_overrides(overrides)
    check_config(cfg)
    validate_cfg(cfg)
    initialize_ray(cfg)
    ray.get(_train.remote(cfg, estimator))


if __name__ == "__main__":
    main()
