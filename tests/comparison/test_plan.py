"""What a comparison's file means, and what it may not say."""

import dataclasses

import pytest

from proxmo.comparison.cost import cost_of
from proxmo.comparison.plan import episodes_per_update, load_plan
from proxmo.credit import CREDIT
from proxmo.envs import registry
from proxmo.errors import InputError


@pytest.fixture
def planned(tmp_path):
    """The plan of a file with this text."""

    def plan(text):
        path = tmp_path / "test.toml"
        path.write_text("seeds = [0, 1]\n" + text)
        return load_plan(path, tmp_path / "out")

    return plan


def names(plan):
    return [variant.name for variant in plan.variants]


def only(plan, variant):
    return next(run.config for run in plan.runs if run.variant == variant)


def test_the_defaults_compare_three_methods_over_the_seeds(planned):
    plan = planned("")
    assert [run.name for run in plan.runs[:4]] == [
        "alfworld/grpo/seed-0",
        "alfworld/gigpo/seed-0",
        "alfworld/proxmo/seed-0",
        "alfworld/grpo/seed-1",
    ]
    assert len(plan.runs) == 6
    assert plan.reference == "proxmo"
    assert {run.config.policy.model for run in plan.runs} == {
        str(plan.out / "alfworld" / "cold-start" / "policy")
    }


def test_every_method_can_take_part(planned):
    listed = ", ".join(f'"{name}"' for name in CREDIT)
    assert names(planned(f"methods = [{listed}]")) == list(CREDIT)


def test_all_runs_of_a_seed_share_everything_but_credit(planned):
    plan = planned('methods = ["grpo", "proxmo"]\n[base.optim]\nupdates = 5\n')
    grpo, proxmo = (run.config for run in plan.runs[:2])
    assert (grpo.env, grpo.policy, grpo.rollout, grpo.optim) == (
        proxmo.env,
        proxmo.policy,
        proxmo.rollout,
        proxmo.optim,
    )
    assert grpo.run.seed == proxmo.run.seed == 0
    assert grpo.optim.updates == 5
    assert [run.config.run.seed for run in plan.cold_starts] == [0, 1]
    assert all(run.config.optim.updates == 0 for run in plan.cold_starts)


def test_ablations_are_episode_only_step_only_and_neither(planned):
    plan = planned("[ablations]\nseeds = [1]\n")
    assert names(plan)[3:] == ["proxmo-episode", "proxmo-step", "proxmo-neither"]
    assert only(plan, "proxmo-neither").credit.modulation == 0
    assert [run.seed for run in plan.runs if run.variant == "proxmo-step"] == [1]


def test_a_sweep_uses_the_variant_that_has_the_default(planned):
    plan = planned(
        '[[sweeps]]\nsetting = "credit.alpha"\nvalues = [1.0, 4.0, 16.0]\nseeds = [0, 2]\n'
    )
    assert names(plan) == ["grpo", "gigpo", "proxmo", "proxmo-alpha-1.0", "proxmo-alpha-16.0"]
    assert plan.sweeps[0].points == (
        (1.0, "proxmo-alpha-1.0"),
        (4.0, "proxmo"),
        (16.0, "proxmo-alpha-16.0"),
    )
    # The point needs seed 2, which the method alone would not have been run with.
    assert [run.seed for run in plan.runs if run.variant == "proxmo"] == [0, 1, 2]


def test_a_point_that_is_a_variant_in_one_environment_only_has_runs_of_its_own(planned):
    plan = planned(
        'methods = ["proxmo"]\n[[sweeps]]\nsetting = "rollout.group_size"\nvalues = [4, 8]\n'
        "[environments.alfworld.rollout]\ntasks = 8\ngroup_size = 8\n"
        "[environments.webshop.rollout]\ntasks = 16\ngroup_size = 4\n"
    )
    sizes = {
        (run.environment, run.variant): run.config.rollout.group_size
        for run in plan.runs
        if run.seed == 0
    }
    assert names(plan) == ["proxmo", "proxmo-group-size-4", "proxmo-group-size-8"]
    assert sizes["webshop", "proxmo-group-size-8"] == 8
    assert sizes["webshop", "proxmo"] == 4


def test_a_sweep_over_group_size_keeps_the_episodes_of_an_update(planned):
    plan = planned('[[sweeps]]\nsetting = "rollout.group_size"\nvalues = [4, 8, 16]\n')
    small = only(plan, "proxmo-group-size-4")
    assert (small.rollout.tasks, small.rollout.group_size) == (32, 4)
    assert {episodes_per_update(run.config) for run in plan.runs} == {128}


def test_shared_credit_settings_reach_the_methods_that_have_them(planned):
    plan = planned('methods = ["grpo", "proxmo"]\n[base.credit]\ngamma = 0.9\n')
    assert only(plan, "proxmo").credit.gamma == 0.9
    assert "gamma" not in plan.variant("grpo").credit


def test_all_runs_take_variables_of_the_chat_template_and_may_leave_actions_unlisted(planned):
    plan = planned(
        "[base.policy]\nlist_actions = false\ntemplate = { enable_thinking = false, depth = 2 }\n"
    )
    told = [(run.config.policy.list_actions, run.config.policy.template) for run in plan.runs]
    assert told == [(False, {"enable_thinking": False, "depth": 2})] * 6


def test_environments_are_called_as_the_registry_calls_them(planned):
    plan = planned("[environments.alfworld]\n[environments.short.env]\nname = 'alfworld'\n")
    assert plan.environments == ("alfworld", "short")
    assert {run.config.env.name for run in plan.runs} == {"alfworld"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('methods = ["grpoo"]', "'grpoo' does not exist; choose from proxmo"),
        ("seed = 3", "seed is not a key of a comparison"),
        ("[base.run]\nseed = 3", "base.run.seed is not for all runs; list it under seeds"),
        ("[base.rolout]\ntasks = 3", "base.rolout is not a section"),
        ("[base.rollout]\ntask = 3", "rollout.task is not a setting; did you mean 'tasks'?"),
        ("[base.credit]\nalhpa = 3", "base.credit.alhpa is not an option of any method"),
        ("[base.credit]\nmethod = 'grpo'", "list it under methods"),
        ("[base.optim]\nupdates = 0", "optim.updates is 0; give at least 1"),
        ("[environments.alfword]", "unknown environment 'alfword'; did you mean 'alfworld'?"),
        ("[variants.a]\ncredit = {alpha = 2.0}", "variants.a.credit has no method"),
        ("[variants.a.credit]\nmethod = 'grpo'\nalpha = 2.0", "'grpo' has no option 'alpha'"),
        ("[variants.a.credit]\nmethod = 'proxmo'\nalpha = 0.0", "alpha is 0.0; it must be"),
        ("[variants.a.credit]\nmethod = 'proxmo'", "'proxmo' and 'a' are the same"),
        ("[variants.a]\ncredit = {method='proxmo'}\nrollout = {tasks = 4}", "episodes per update"),
        (
            "[variants.a]\ncredit = {method='proxmo'}\nrollout = {group_size = 3}",
            "a group_size of 3 does not divide the 128 episodes",
        ),
        ("[variants.a]\ncredit={method='rloo'}\nrollout={group_size=1}", "or equal to 2"),
        ("[variants.a]\ncredit={method='rloo'}\nrollout={group_size='4'}", "group_size is '4'"),
        ("[variants.a]\ncredit={method=['rloo']}", "credit has method ['rloo']; choose"),
        ("[variants.a]\ncredit={method='rloo'}\noptim={updates=9}", "variants.a.optim is not a"),
        ("[variants.cold-start]\ncredit={method='rloo'}", "cannot be a name of a folder"),
        ("[variants.proxmo]\ncredit={method='rloo'}", "two variants are called 'proxmo'"),
        ("[[sweeps]]\nsetting = 'optim.kl'\nvalues = [1]", "give a setting of credit or rollout"),
        ("reference = 'ppo'", "reference 'ppo' is not a variant"),
        ("[variants.a]\nseeds = [1, 1]\ncredit={method='rloo'}", "has seed 1 twice"),
    ],
)
def test_what_is_wrong_or_unfair_is_refused(planned, text, message):
    with pytest.raises(InputError) as error:
        planned(text)
    assert message in str(error.value)


def test_a_file_without_seeds_is_refused(tmp_path):
    path = tmp_path / "test.toml"
    path.write_text('methods = ["grpo"]')
    with pytest.raises(InputError, match=r"test\.toml: seeds is missing"):
        load_plan(path)


def test_the_cost_is_estimated_by_environment_where_it_is_known(planned, monkeypatch):
    for name, seconds in (("alfworld", 0.5), ("webshop", 2.0)):
        spec = dataclasses.replace(registry.get(name), episode_core_seconds=seconds)
        monkeypatch.setitem(registry.OURS, name, f"{__name__}:{name}")
        monkeypatch.setitem(globals(), name, spec)
    both = planned(
        'methods = ["grpo"]\nbase.optim.updates = 9\n'
        "environments.alfworld.rollout = { tasks = 2, group_size = 5 }\n"
        "environments.webshop.rollout = { tasks = 3, group_size = 10 }\n"
    )
    # Two seeds of nine updates, of 10 and of 30 episodes.
    assert cost_of(both).core_hours == pytest.approx((180 * 0.5 + 540 * 2.0) / 3600)
    assert cost_of(planned('base.policy.model = "some/model"')).core_hours is None
