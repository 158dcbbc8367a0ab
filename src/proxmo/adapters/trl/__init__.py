"""ProxMO in TRL: a drop-in for `GRPOTrainer` with per-turn advantages.

    from proxmo.adapters.trl import ProxMOTrainer

Raises `InputError` on import when the installed TRL is not a version that was tested.
"""

from proxmo.adapters.versions import check_version

check_version("trl")

from proxmo.adapters.trl.trainer import ProxMOTrainer  # noqa: E402  # after the check

__all__ = ["ProxMOTrainer"]
