// The credit view of an audit: what each step was given beside what it was worth.
(() => {
  const select = Object.fromEntries(
    ["task", "method", "noise"].map((n) => [n, document.getElementById("pick-" + n)]));
  const audit = JSON.parse(document.getElementById("audit").textContent);
  const place = document.getElementById("trajectories");
  const detail = document.getElementById("detail");
  const about = document.getElementById("about-task");
  const tasks = audit.tasks.map((task, number) => ({ ...task, number }));
  const judgements = audit.judgements.map((judgement, number) => ({ ...judgement, number }));
  let shown = null; // the task's data
  let judging = []; // what is chosen first: its number is the place of its credit
  let chosen = [0, 0];

  // A step as it is packed: see `TaskView`.
  const read = ([state, action, valid, reward, worth, error, value, continuations, credit]) =>
    ({ state, action, valid, reward, worth, error, value, continuations, credit });
  const clear = (step) => step.worth !== null && Math.abs(step.worth) > 2 * step.error;
  const right = (step, number) => Math.sign(step.credit[number]) === Math.sign(step.worth);

  function tint(cell, value, spread) {
    const strength = spread > 0 ? Math.min(1, Math.abs(value) / (2 * spread)) : 0;
    cell.style.backgroundColor = `rgba(var(${value < 0 ? "--minus" : "--plus"}), ${(0.6 * strength).toFixed(3)})`;
    return cell;
  }

  async function pick() {
    const [task] = offer(select.task, tasks, "number",
      (t) => `${t.solved} of ${t.members} solved: ${shortened(t)}`);
    shown = await unpack(`task-${task.number}`);
    shown.trajectories = shown.trajectories.map((t) => ({ ...t, steps: t.steps.map(read) }));
    const first = shown.trajectories.map((t) => t.steps.findIndex(clear));
    const i = Math.max(0, first.findIndex((n) => n >= 0));
    chosen = [i, Math.max(0, first[i])];
    judge();
    place.scrollTo(0, 0);
  }

  function judge() {
    const noisy = select.noise ? offer(select.noise, judgements, "noise") : judgements;
    const [method] = offer(select.method, noisy, "method");
    judging = [method, ...noisy.filter((other) => other !== method)];
    const task = tasks[select.task.value];
    about.textContent = `${shown.trajectories.length} of ${task.members} trajectories were audited; ` +
      `${task.solved} of the ${task.members} succeeded.`;
    place.replaceChildren(...shown.trajectories.map(column));
    choose(...chosen);
  }

  function column(trajectory, i) {
    const { number } = judging[0];
    const told = trajectory.steps.filter(clear);
    const hits = told.filter((step) => right(step, number)).length;
    const head = make("h4", "", `#${trajectory.name}: ${trajectory.success ? "success" : "failure"}`,
      make("small", "soft", `sign right on ${hits} of ${told.length} clear steps`));
    return make("section", "trajectory", head, ...trajectory.steps.map((step, n) => {
      const wrong = clear(step) && !right(step, number);
      const button = make("button", "step" + (wrong ? " wrong" : ""),
        make("b", "", make("span", step.valid ? "" : "invalid", `${n + 1}. ${step.action || "(nothing)"}`)),
        make("span", "seen", shown.states[step.state]),
        ...(step.worth === null ? [make("span", "soft", "not judged")] : [make("span", "pair",
          tint(make("span", "", make("small", "", "given"), signed(step.credit[number])),
            step.credit[number], judging[0].spread),
          tint(make("span", "", make("small", "", "true"), `${signed(step.worth)} \u00b1 ${plain(step.error)}`),
            step.worth, audit.spread))]));
      button.type = "button";
      button.dataset.at = `${i}/${n}`;
      button.addEventListener("click", () => choose(i, n));
      return button;
    }));
  }

  function choose(i, n) {
    chosen = [i, n];
    for (const other of place.querySelectorAll(".chosen")) other.classList.remove("chosen");
    place.querySelector(`[data-at="${i}/${n}"]`).classList.add("chosen");
    const step = shown.trajectories[i].steps[n];
    detail.replaceChildren(
      make("h4", "", `#${shown.trajectories[i].name}, step ${n + 1}`), ...truth(step),
      make("h4", "", "Observation"), reading(shown.states[step.state]),
      make("h4", "", step.valid ? "Action" : "Action (invalid)"), reading(step.action || "(nothing)"));
  }

  function truth(step) {
    if (step.worth === null) {
      return [make("p", "soft", "Too many continuations of it were broken off to judge it.")];
    }
    const line = (name, value, note) =>
      make("tr", "", make("th", "", name), make("td", "", value), make("td", "soft", note));
    const sum = make("table", "sum", make("tbody", "",
      line("worth", signed(step.worth), `standard error ${plain(step.error)}` +
        (clear(step) ? "" : ": not clear of 0")),
      line("reward", plain(step.reward), "of this step"),
      line("value", plain(step.value), step.continuations ?
        `return from here on, mean of ${step.continuations} continuations` : "return from here on")));
    return [sum, make("h4", "", "What it was given"),
      make("p", "soft", "Bars are standard deviations over all audited steps, of each method's own."),
      make("table", "sum bars", make("tbody", "",
        row("truth", step.worth, audit.spread, "true"),
        ...judging.map((j) => row(j.method, step.credit[j.number], j.spread,
          clear(step) && !right(step, j.number) ? "worse" : ""))))];
  }

  // A name, a figure, and a bar to the left or right of the middle, at most 3 deviations long.
  function row(name, value, spread, style) {
    const bar = make("i", value < 0 ? "minus" : "plus");
    const share = spread > 0 ? Math.min(1, Math.abs(value) / (3 * spread)) : 0;
    bar.style.width = `${50 * share}%`;
    bar.style[value < 0 ? "right" : "left"] = "50%";
    return make("tr", style, make("th", "", name), make("td", "", signed(value)),
      make("td", "bar", make("span", "", bar)));
  }

  select.task.addEventListener("change", pick);
  for (const list of [select.method, select.noise]) list?.addEventListener("change", judge);
  pick();
})();
