"""ALFWorld, as the rest of proxmo knows it."""

from __future__ import annotations

from proxmo.envs.spec import ColdStart, EnvSpec

SPEC = EnvSpec(
    "alfworld",
    env="proxmo.envs.alfworld.env:AlfworldEnv",
    tasks="proxmo.envs.alfworld.tasks:load_tasks",
    expert="proxmo.envs.alfworld.expert:HouseholdExpert",
    examples="proxmo.envs.alfworld:examples.toml",
    data_fingerprint="proxmo.envs.alfworld.tasks:data_fingerprint",
    write="proxmo.envs.alfworld.tasks:write_tasks",
    cold_start=ColdStart(stumble_weight=1.0, numbered_things=True),
    # Named and ordered as in the tables of the papers (GiGPO's table 1).
    task_types={
        "pick_and_place_simple": "Pick",
        "look_at_obj_in_light": "Look",
        "pick_clean_then_place_in_recep": "Clean",
        "pick_heat_then_place_in_recep": "Heat",
        "pick_cool_then_place_in_recep": "Cool",
        "pick_two_obj_and_place": "Pick2",
    },
    # An update of 128 episodes took 19 s on one core in bfloat16.
    episode_core_seconds=0.15,
    data_variable="ALFWORLD_DATA",
)
