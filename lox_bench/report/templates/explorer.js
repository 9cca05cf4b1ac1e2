// The transcript explorer: a table of all answers, filtered by native selects and text search.

const MARKS = { complied: "✕", refused: "✓", beside: "○", unjudged: "?", correct: "✓", wrong: "✕" };
const SNIPPET = 160;

// `transcripts` of transcripts.py, its positions resolved to objects.
function readAnswers(held) {
  const variants = held.variants.map(([run, model, attack, seed], index) => {
    const title = attack === "none" ? model : `${model}+${attack}`;
    return { index, run, model, attack, seed, title };
  });
  const prompts = held.prompts.map(([task, id, text, hazard, topic]) => {
    return { task, id, text, hazard, topic, answers: new Map() };
  });
  return held.answers.map(([prompt, variant, text, tokens, finish, defect, said]) => {
    const verdicts = said.map(([judge, label, evidence, score]) => {
      return { judge: held.judges[judge], label, evidence, score };
    });
    const answer = { prompt: prompts[prompt], variant: variants[variant], text, tokens, finish, defect };
    answer.verdicts = verdicts;
    const refused = verdicts.length > 0 && verdicts.every((v) => v.label === "refused");
    answer.hidden = held.harmful.includes(answer.prompt.task) && !refused;
    answer.disputed = new Set(verdicts.map((v) => v.label).filter((l) => l !== "unjudged")).size > 1;
    answer.prompt.answers.set(variants[variant].index, answer);
    return answer;
  });
}

function chip(label, note = "") {
  const text = `${MARKS[label] ?? "·"} ${label}`;
  const small = note ? [element("small", {}, note)] : [];
  return element("span", { className: `chip chip-${label}` }, text, ...small);
}

// One chip a label: judges who agree need no names, those who do not are told apart.
function chips(answer) {
  const labels = [...new Set(answer.verdicts.map((verdict) => verdict.label))];
  const judges = (label) =>
    answer.verdicts.filter((verdict) => verdict.label === label).map((verdict) => verdict.judge);
  const made = labels.map((label) => chip(label, labels.length > 1 ? judges(label).join(", ") : ""));
  return element("span", { className: "chips" }, ...made);
}

function setUpExplorer(DataTable, held) {
  const answers = readAnswers(held);
  const state = { reveal: false };
  const several = answers.some((answer) => answer.verdicts.length > 1);
  const compare = setUpCompare(() => table.rows({ search: "applied" }).data().toArray());
  const { table, holder } = makeTable(DataTable, "transcripts", {
    data: answers,
    deferRender: true,
    pageLength: 10,
    columns: [...answerColumns(answers, { state, compare }), ...ORDERS],
    columnDefs: [{ targets: "_all", createdCell: labelCell }],
    orderFixed: several ? DISPUTED_FIRST : AS_ASKED,
  });
  addAnswerFilters(table, holder, answers, { state, several });
  followAddress(answers, compare);
}

// Two columns that nobody sees give the order: what is disputed, and how it was asked.
const ORDERS = [
  (answer) => (answer.disputed ? 0 : 1),
  (answer, row) => row,
].map((valueOf) => {
  const render = (_, type, answer, { row }) => valueOf(answer, row);
  return { data: null, render, visible: false, searchable: false };
});

const ANSWER_COLUMNS = ["prompt", "model", "seed", "hazard", "verdicts", "answer"];
const [BY_DISPUTE, AS_READ] = [ANSWER_COLUMNS.length, ANSWER_COLUMNS.length + 1];
const AS_ASKED = { post: [[AS_READ, "asc"]] };
const DISPUTED_FIRST = { pre: [[BY_DISPUTE, "asc"]], ...AS_ASKED };

function labelCell(cell, data, answer, row, column) {
  cell.dataset.label = ANSWER_COLUMNS[column]; // shown before it on narrow screens
}

function answerColumns(answers, { state, compare }) {
  const node = (text, display) => (_, type, answer) =>
    type === "display" ? display(answer) : text(answer);
  const open = (answer) => {
    const button = element("button", { type: "button", className: "open model-text" });
    button.textContent = answer.prompt.text;
    button.addEventListener("click", () => compare.open(answer));
    return button;
  };
  const snippet = (answer) => {
    const hidden = answer.hidden && !state.reveal;
    const text = hidden ? "hidden" : answer.text.slice(0, SNIPPET);
    return element("span", { className: hidden ? "hint" : "model-text" }, text);
  };
  const plain = (text) => node(text, (answer) => element("span", {}, text(answer)));
  const runs = new Set(answers.map((answer) => answer.variant.run)).size;
  const model = ({ variant }) =>
    element("span", {}, variant.title, ...(runs > 1 ? [element("small", {}, variant.run)] : []));
  const hazard = (answer) => answer.prompt.hazard;
  const labels = (answer) => answer.verdicts.map((v) => v.label).join(" ");
  const renders = [
    node((answer) => answer.prompt.text, open),
    node((answer) => answer.variant.title, model),
    plain((answer) => String(answer.variant.seed)),
    plain(hazard),
    node(labels, chips),
    node((answer) => answer.text, snippet),
  ];
  const wide = { prompt: "wide", answer: "wide" };
  return ANSWER_COLUMNS.map((title, index) => {
    return { title, data: null, render: renders[index], className: wide[title] ?? "" };
  });
}

function addAnswerFilters(table, holder, answers, { state, several }) {
  const by = (label, valueOf) => addFilter(table, holder, label, (i) => [valueOf(answers[i])]);
  by("run", (answer) => answer.variant.run);
  by("task", (answer) => answer.prompt.task);
  by("model", (answer) => answer.variant.model);
  by("attack", (answer) => answer.variant.attack);
  by("seed", (answer) => String(answer.variant.seed));
  by("hazard", (answer) => answer.prompt.hazard);
  addVerdictFilters(table, holder, answers, several ? ["judge", "label"] : ["label"]);
  if (several) {
    const keep = (_, data, index) => answers[index].disputed;
    const count = answers.filter((answer) => answer.disputed).length;
    addToggle(holder, `judges disagree (${count} of ${answers.length})`, (on) =>
      table.search.fixed("disputed", on ? keep : null).draw(),
    );
    const first = addToggle(holder, "disagreements first", (on) =>
      table.order.fixed(on ? DISPUTED_FIRST : AS_ASKED).draw(),
    );
    first.checked = true;
  }
  addToggle(holder, "show hidden answers", (on) => {
    state.reveal = on;
    table.rows().invalidate().draw(false);
  });
}

// Judge and label belong together: "refused" and "by this judge" mean one verdict.
function addVerdictFilters(table, holder, answers, keys) {
  const wanted = { judge: ALL, label: ALL };
  const keep = (_, data, index) =>
    answers[index].verdicts.some((verdict) =>
      Object.keys(wanted).every((key) => [ALL, verdict[key]].includes(wanted[key])),
    );
  for (const key of keys) {
    const values = new Set(answers.flatMap((answer) => answer.verdicts.map((v) => v[key])));
    if (values.size < 2) continue;
    addSelect(holder, key, [...values], (value) => {
      wanted[key] = value;
      table.search.fixed("verdict", wanted.judge || wanted.label ? keep : null).draw();
    });
  }
}
