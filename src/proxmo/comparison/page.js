// The credit view of a comparison.
(() => {
  const select = Object.fromEntries(
    ["environment", "variant", "update", "task"].map((n) => [n, document.getElementById("pick-" + n)]));
  if (!select.task) return;
  const index = JSON.parse(document.getElementById("groups").textContent);
  const place = document.getElementById("trajectories");
  const detail = document.getElementById("detail");
  const about = document.getElementById("about-group");
  let group = null;

  async function refresh() {
    let left = offer(select.environment, index, "environment");
    left = offer(select.variant, left, "variant", (e) => `${e.variant}, seed ${e.seed}`);
    left = offer(select.update, left, "update");
    left = offer(select.task, left, "task", (e) => `${e.solved} of ${e.members} solved: ${shortened(e)}`);
    group = await unpack(left[0].id);
    show();
  }

  function show() {
    const all = group.trajectories.flatMap((t) => t.steps.map((s) => Math.abs(s[5])));
    const most = Math.max(1e-9, ...all);
    document.getElementById("scale-low").textContent = "\u2212" + most.toFixed(2);
    document.getElementById("scale-high").textContent = "+" + most.toFixed(2);
    about.textContent = `${group.trajectories.length} trajectories. Success rate ${percent(group.success)}, mean reward ${plain(group.reward)}, ` +
      `${group.states.length} distinct observations.` +
      (group.verified ? "" : " The recorded advantages differ from those worked out here: this version computes credit otherwise.");
    place.replaceChildren(...group.trajectories.map((t, i) => column(t, i, most)));
    place.scrollTo(0, 0);
    const first = group.trajectories.map((t) => t.steps.findIndex((s) => Math.abs(s[7]) > 1e-6));
    const i = Math.max(0, first.findIndex((n) => n >= 0));
    choose(i, Math.max(0, first[i]));
  }

  function column(trajectory, i, most) {
    const head = make("h4", "", `#${trajectory.name}: ` +
      (trajectory.success ? "success" : trajectory.error ? "error" : "failure") +
      `, reward ${plain(trajectory.reward)}`);
    return make("section", "trajectory", head, ...trajectory.steps.map((s, n) => {
      const button = make("button", "step",
        make("b", "", make("span", s[3] ? "" : "invalid", `${n + 1}. ${s[1] || "(nothing)"}`),
          make("span", "", signed(s[5]))),
        make("span", "seen", group.states[s[0]][0]));
      const tone = s[5] < 0 ? "--minus" : "--plus";
      button.style.backgroundColor = `rgba(var(${tone}), ${(0.6 * Math.abs(s[5]) / most).toFixed(3)})`;
      button.type = "button";
      button.dataset.state = s[0];
      button.dataset.at = `${i}/${n}`;
      button.addEventListener("click", () => choose(i, n));
      return button;
    }));
  }

  function line(name, value, note) {
    return make("tr", "", make("th", "", name), make("td", "", value), make("td", "soft", note || ""));
  }

  function choose(i, n) {
    const s = group.trajectories[i].steps[n];
    for (const other of place.querySelectorAll(".chosen")) other.classList.remove("chosen");
    place.querySelector(`[data-at="${i}/${n}"]`).classList.add("chosen");
    mark(-1);
    const body = make("tbody", "",
      line("advantage", signed(s[5]), "used by the loss"),
      line("episode part", signed(s[6]),
        `reward ${plain(group.trajectories[i].reward)}, group's mean ${plain(group.reward)}`),
      line("step part", signed(s[7]),
        (s[8] === null ? "none" : "return \u2212 baseline") + (group.omega === 1 ? "" : `, times ${group.omega}`)));
    if (s[8] !== null) body.append(
      line("return", plain(s[8]), group.lam < 1
        ? `of lambda ${group.lam}: rewards from here on, the later the more by the values of the states`
        : "discounted, from here on"),
      line("baseline", plain(s[9]), "weighted mean return of the states below"));
    const table = make("table", "sum", body);
    detail.replaceChildren(
      make("h4", "", `#${group.trajectories[i].name}, step ${n + 1}`), table,
      make("h4", "", "Observation"), reading(group.states[s[0]][0]),
      make("h4", "", s[3] ? "Action" : "Action (invalid)"), reading(s[1] || "(nothing)"),
      ...(s[2] !== s[1] ? [make("h4", "", "Response"), reading(s[2])] : []),
      ...origin(s));
  }

  function origin(s) {
    if (s[10] === null) return [make("p", "soft", "This method has no step-level baseline.")];
    const behind = group.neighbours[s[10]];
    if (!behind.length) return [make("p", "soft", "Its group has no other trajectory to compare with.")];
    const rest = 1 - behind.reduce((sum, [, share]) => sum + share, 0);
    return [make("h4", "", "Where the baseline comes from"),
      make("p", "soft", "States of the group by their share; click one to read it whole and to mark its steps." +
        (group.left_out ? " Steps of this trajectory are left out of the shares, not of the means shown." : "")),
      ...behind.map(([state, share]) => {
        const [text, count, mean] = group.states[state];
        const bar = make("span", "bar");
        bar.style.width = `${Math.max(0.5, 100 * share)}%`;
        const button = make("button", "neighbour" + (state === s[0] ? " same" : ""), bar,
          make("strong", "", percent(share)),
          ` ${state === s[0] ? "this state" : "another state"}, ${count} step${count > 1 ? "s" : ""}, mean return ${plain(mean)} `,
          make("span", "soft", text));
        button.type = "button";
        button.addEventListener("click", () => {
          button.classList.toggle("open");
          mark(state);
        });
        return button;
      }),
      ...(rest > 0.001 ? [make("p", "soft", `${percent(rest)} from further states.`)] : [])];
  }

  function mark(state) {
    for (const other of place.querySelectorAll(".source")) other.classList.remove("source");
    for (const step of place.querySelectorAll(`[data-state="${state}"]`)) step.classList.add("source");
  }

  for (const list of Object.values(select)) list.addEventListener("change", refresh);
  refresh();
})();
