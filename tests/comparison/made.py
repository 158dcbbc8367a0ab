"""A comparison whose runs were never trained: small trajectories, real credit, real files."""

from pathlib import Path

from proxmo.comparison.file import FILE_NAME
from proxmo.comparison.plan import load_plan
from proxmo.credit import Steps
from proxmo.envs import registry
from proxmo.episodes.metrics import rollout_metrics
from proxmo.evaluation.scores import summarize
from proxmo.policies.transformers import PromptSettings
from proxmo.training.run_folder import RunFolder
from proxmo.training.start import start_of, write_start
from proxmo.types import Step, Trajectory

NASTY = "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title='stolen'\">"
FILE = """
seeds = [0, 1, 2]
methods = ["grpo", "gigpo", "proxmo"]
[base.rollout]
tasks = 2
group_size = 3
[base.optim]
updates = 2
[ablations]
seeds = [0, 1]
[[sweeps]]
setting = "credit.alpha"
values = [1.0, 4.0]
seeds = [0]
"""
LUCK = {"grpo": 4, "gigpo": 5, "proxmo": 8}
"""Of 10 unseen tasks, those solved at the end with seed 0; others solve 6."""


def trajectory(task, member, solved, kind="pick_and_place_simple"):
    """Two steps in a hall, one of them in vain, and a last one in a room of its own."""
    seen = ["You are in the hall.", NASTY, f"You are in room {member}."]
    acts = [f"look <b>{task}</b>", "go", "take"]
    steps = [
        Step(text, "", action, action, 10.0 * (solved and place == 2), valid=place != 1)
        for place, (text, action) in enumerate(zip(seen, acts, strict=True))
    ]
    return Trajectory(f"{task}#{member}", task, task, kind, 0, tuple(steps), success=solved)


def evaluation(solved):
    kinds = ["pick_and_place_simple", "look_at_obj_in_light"]
    played = [trajectory(f"t{n}", 0, n < solved, kinds[n % 2]) for n in range(10)]
    return summarize(played).to_dict()


def make_run(run):
    folder, config = RunFolder(run.folder), run.config
    run.folder.mkdir(parents=True)
    folder.write_config(config)
    folder.write_digest("the same weights")
    data = registry.get(config.env.name).fingerprint(config.env.data)
    write_start(folder.start_file, start_of(config, data, 50, PromptSettings()))
    folder.append_evaluation(0, evaluation(3))
    estimator = config.credit
    for update in range(1, config.optim.updates + 1):
        tasks = [f"task-{run.seed}-{update}-{number}" for number in range(config.rollout.tasks)]
        played = [
            trajectory(task, member, (member + number) % 3 == 0)
            for number, task in enumerate(tasks)
            for member in range(config.rollout.group_size)
        ]
        credit = estimator(Steps.from_trajectories(played))
        folder.write_trajectories(update, played, credit)
        seconds = {"seconds/rollout": 2.0, "seconds/credit": 0.01, "seconds/optim": 3.0}
        tokens = {"optim/tokens": 60.0}
        folder.append_metrics(
            update, rollout_metrics(played) | credit.diagnostics | tokens | seconds
        )
        solved = LUCK.get(run.variant, 6) + run.seed % 2
        folder.append_evaluation(update, evaluation(solved - (update == 1)))
    folder.model.mkdir()


def make_comparison(folder: Path, text: str = FILE):
    """A finished comparison in `folder`; its plan."""
    folder.mkdir()
    (folder / FILE_NAME).write_text(text)
    plan = load_plan(folder)
    for run in [*plan.cold_starts, *plan.runs]:
        make_run(run)
    return plan
