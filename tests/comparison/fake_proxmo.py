"""Stands in for `proxmo sft` and `proxmo train`: leaves the files that they leave, in no time.

    python fake_proxmo.py FOLDER sft|train ...

`FOLDER/<run>` with slashes as dots, when it exists, says how a run behaves: `fail` (exit code 3),
`refuse` (exit code 2), `wait` (until the file is gone), `half` (dies by SIGKILL after an update).
`FOLDER/starts` gets a line per start.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


def append(path, record):
    with path.open("a") as stream:
        stream.write(json.dumps(record) + "\n")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def evaluation(update, solved):
    score = {"success": solved / 10, "interval": [0.0, 1.0], "episodes": 10, "successes": solved}
    score |= {"steps": 9.0, "invalid": 0.1, "errors": 0}
    return {"update": update, "overall": score, "types": {"pick_and_place_simple": score}}


def main():
    control, command = Path(sys.argv[1]), sys.argv[2]
    run = Path(option("--out" if command == "sft" else "--resume"))
    name = "/".join(run.parts[-3:])
    append(control / "starts", {"run": name, "threads": os.environ["OMP_NUM_THREADS"]})
    behaviour = control / name.replace("/", ".")
    said = behaviour.read_text() if behaviour.exists() else ""
    if said == "fail":
        print("error: the model did not like it", file=sys.stderr)
        return 3
    if said == "refuse":
        print("error: there are no games in 'empty'", file=sys.stderr)
        return 2
    while said == "wait" and behaviour.exists():
        time.sleep(0.02)
    if command == "sft":
        run.mkdir(parents=True)
        (run / "config.json").write_text("{}")
        return 0
    metrics, evaluations = run / "metrics.jsonl", run / "evaluations.jsonl"
    assert (run / "config.toml").exists()
    if not lines(evaluations):
        append(evaluations, evaluation(0, 3))
        append(control / "starts", {"evaluated": name})
    updates = int(option("--updates"))
    for update in range(len(lines(metrics)) + 1, updates + 1):
        append(metrics, {"update": update, "rollout/success_rate": 0.5, "seconds/rollout": 0.1})
        if said == "half":
            behaviour.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    if updates not in [line["update"] for line in lines(evaluations)]:
        append(evaluations, evaluation(updates, 7))
    (run / "model").mkdir(exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
