// Two answers to one prompt, side by side; the prompts walked through are those of the filter.

function setUpCompare(filtered) {
  const dialog = document.getElementById("compare");
  const find = (name) => document.getElementById(`compare-${name}`);
  const shown = { prompt: null, left: 0, right: 0, side: "right" }; // the address names that side

  const draw = () => {
    const { id, task, text, hazard, topic } = shown.prompt;
    find("facts").textContent = [task, id, `hazard ${hazard}`, topic].filter(Boolean).join(" · ");
    find("prompt").textContent = text;
    for (const side of ["left", "right"]) {
      find(side).replaceChildren(...pane(shown, side, { draw, copy }));
    }
    const prompts = walk();
    const place = prompts.indexOf(shown.prompt) + 1;
    find("position").textContent = place ? `${place} of ${prompts.length}` : "not among the filtered";
    find("said").textContent = "";
    find("link").hidden = true;
    const named = shown.prompt.answers.get(shown[shown.side]);
    if (named) showAddress(addressOf(named));
  };
  const copy = (answer) => copyAddress(answer, { status: find("said"), field: find("link") });
  const walk = () => [...new Set([...filtered().map((answer) => answer.prompt)])];
  const step = (by) => {
    const prompts = walk();
    const next = prompts.indexOf(shown.prompt) + by;
    if (next < 0 || next >= prompts.length) return;
    shown.prompt = prompts[next];
    draw();
  };

  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    showAddress("#transcripts");
    const held = document.activeElement; // nothing gets it back where an address opened the answer
    const lost = held === document.body || dialog.contains(held);
    if (lost) document.getElementById("transcripts-title").focus();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  return {
    open(answer) {
      const [left, right] = pair(answer);
      const side = right === answer.variant.index ? "right" : "left";
      Object.assign(shown, { prompt: answer.prompt, left, right, side });
      draw();
      if (!dialog.open) dialog.showModal();
    },
    close() {
      if (dialog.open) dialog.close();
    },
  };
}

// The answer beside its natural counterpart: aligned on the left, the variant on the right.
function pair(answer) {
  const { variant, prompt } = answer;
  const others = [...prompt.answers.values()].map((other) => other.variant);
  const same = others.filter((other) =>
    ["run", "attack", "seed"].every((key) => other[key] === variant[key]),
  );
  const is = (test) => (other) => other.index !== variant.index && test(other.model);
  const aligned = same.find(is((model) => model === "aligned"));
  if (aligned) return [aligned.index, variant.index];
  const other = same.find(is((model) => model !== "base")) ?? same.find(is(() => true));
  return [variant.index, (other ?? others.find(is(() => true)) ?? variant).index];
}

function pane(shown, side, { draw, copy }) {
  const select = element("select", { ariaLabel: `Model on the ${side}` });
  for (const { variant } of shown.prompt.answers.values()) {
    const run = new Set([...shown.prompt.answers.values()].map((a) => a.variant.run)).size > 1;
    const text = `${variant.title} · seed ${variant.seed}${run ? ` · ${variant.run}` : ""}`;
    select.append(new Option(text, variant.index));
  }
  select.value = shown[side];
  select.addEventListener("change", () => {
    shown[side] = Number(select.value);
    shown.side = side;
    draw();
    document.querySelector(`#compare-${side} select`).focus();
  });
  const answer = shown.prompt.answers.get(shown[side]);
  if (!answer) return [select, element("p", { className: "hint" }, "No answer to this prompt.")];
  const link = element("button", { type: "button", className: "copy" }, "Copy link");
  link.setAttribute("aria-label", `Copy link to the answer of ${answer.variant.title}`);
  link.addEventListener("click", () => copy(answer));
  return [select, verdictList(answer), answerText(answer), answerFacts(answer), link];
}

function verdictList(answer) {
  const items = answer.verdicts.map((verdict) => {
    const score = verdict.score === null ? "" : ` score ${verdict.score}`;
    const evidence = verdict.evidence ? ` “${verdict.evidence}”` : "";
    const why = element("span", { className: "hint model-text" }, `${score}${evidence}`);
    return element("li", {}, chip(verdict.label, verdict.judge), why);
  });
  return element("ul", { className: "verdicts" }, ...items);
}

function answerText(answer) {
  const text = element("div", { className: "answer model-text" }, answer.text || "(empty)");
  if (!answer.hidden) return text;
  const summary = element("summary", {}, "Show the answer to this harmful request");
  return element("details", { className: "veil" }, summary, text);
}

function answerFacts(answer) {
  const facts = [
    answer.tokens === null ? "" : `${answer.tokens} tokens`,
    answer.finish === "length" ? "cut at the token limit" : "",
    answer.defect ? `degenerate: ${answer.defect}` : "",
  ];
  return element("p", { className: "hint" }, facts.filter(Boolean).join(" · "));
}
