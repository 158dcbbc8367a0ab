"""WebShop, as the rest of proxmo knows it."""

from __future__ import annotations

from proxmo.envs.spec import ColdStart, EnvSpec

SPEC = EnvSpec(
    "webshop",
    env="proxmo.envs.webshop.env:WebShopEnv",
    tasks="proxmo.envs.webshop.tasks:load_tasks",
    expert="proxmo.envs.webshop.expert.expert:ShoppingExpert",
    codec="proxmo.envs.webshop.codec:ArticleNumbers",
    explain="proxmo.envs.webshop.explain:explain",
    data_fingerprint="proxmo.envs.webshop.tasks:data_fingerprint",
    max_steps=15,
    prompt_tokens=4096,
    examples="proxmo.envs.webshop:examples.toml",
    cold_start=ColdStart(
        demonstrations=12000,
        epochs=2,
        vocabulary=4096,
        prompt="numbered",
        context="window",
        history=0,
        worlds=60,
    ),
    graded=True,
    # An update of 64 episodes took 28 s on one core in bfloat16.
    episode_core_seconds=0.45,
    data_variable="WEBSHOP_DATA",
)
