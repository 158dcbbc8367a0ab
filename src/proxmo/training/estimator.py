"""From the settings of a run to its credit method."""

from __future__ import annotations

import dataclasses

from proxmo.config import CreditConfig
from proxmo.credit import CREDIT, Estimator, make
from proxmo.errors import InputError


def make_estimator(config: CreditConfig, group_size: int) -> Estimator:
    """The credit method, given those of the settings that it has.

    Raises `InputError` for an unknown method, a group too small to compare within, and a
    setting that was changed but means nothing to the method.
    """
    estimator = make(config.method)  # refuses an unknown name
    if group_size < 2:
        raise InputError(
            f"rollout.group_size is {group_size}; {config.method!r} compares the trajectories of "
            "a group: give at least 2"
        )
    known = {option.name for option in dataclasses.fields(CREDIT[config.method])}
    options = {}
    for option in dataclasses.fields(config):
        name, value = option.name, getattr(config, option.name)
        if name == "method" or value is None:
            continue
        if name in known:
            options[name] = value
        elif value != option.default:
            raise InputError(
                f"credit.{name} is {value!r}, but method {config.method!r} has no such option; "
                f"it has {', '.join(sorted(known))}"
            )
    return dataclasses.replace(estimator, **options)  # type: ignore[type-var]  # all are
