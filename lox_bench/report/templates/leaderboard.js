// The leaderboard stands in the page as HTML and is made to sort and filter; all rows are data.

function setUpLeaderboard(DataTable) {
  const { table, holder } = makeTable(DataTable, "leaderboard", { paging: false, info: false });
  for (const name of ["run", "family", "model", "attack", "valid"]) {
    addFilter(table, holder, name, (index) => [table.row(index).node().dataset[name]]);
  }
  const measures = table.columns(".measure");
  const heads = measures.indexes().toArray().map((index) => table.column(index).header().dataset);
  const metrics = [...new Set(heads.map((head) => head.metric))];
  const judgesOf = (metric) => heads.filter((h) => h.metric === metric).map((h) => h.judge);
  const rivals = metrics.filter((metric) => new Set(judgesOf(metric)).size > 1);
  const choices = { metric: metrics, judge: [...new Set(rivals.flatMap(judgesOf))] };
  for (const [name, values] of Object.entries(choices)) {
    if (values.length < 2) continue;
    addSelect(holder, name, values, (wanted) => {
      chosen[name] = wanted;
      showMeasures(table, measures, choices.judge);
    });
  }
  new ResizeObserver(sayWide).observe(document.getElementById("leaderboard-table"));
  sayWide();
}

// Says that there is more to the right, while there is.
function sayWide() {
  const place = document.getElementById("leaderboard-table").closest(".dt-layout-cell");
  const hint = document.getElementById("leaderboard-wide");
  hint.hidden = !place || place.scrollWidth <= place.clientWidth + 1;
}

const chosen = { metric: ALL, judge: ALL };

// A chosen judge hides its rivals; what nobody else measures (accuracy, degenerate) stays.
function showMeasures(table, measures, rivals) {
  for (const index of measures.indexes().toArray()) {
    const { metric, judge } = table.column(index).header().dataset;
    const wanted = [ALL, judge].includes(chosen.judge) || !rivals.includes(judge);
    table.column(index).visible(wanted && [ALL, metric].includes(chosen.metric), false);
  }
  table.columns.adjust();
}

function setUpRows(DataTable, rows) {
  const text = DataTable.render.text();
  const number = (value, type) => {
    if (typeof value !== "number") return type === "sort" ? -Infinity : "";
    return type === "display" ? Number(value.toPrecision(4)) : value;
  };
  const isNumber = (column) => rows.lines.some((line) => typeof line[column] === "number");
  const whole = { orthogonal: "export" }; // the numbers, not what is rounded for show
  const columns = rows.columns.map((title, column) => {
    return { title, render: isNumber(column) ? number : text };
  });
  const { table, holder } = makeTable(DataTable, "rows", {
    data: rows.lines,
    columns,
    pageLength: 10,
    buttons: [
      { extend: "copyHtml5", title: null, exportOptions: whole },
      { extend: "csvHtml5", title: "leaderboard", exportOptions: whole },
      "colvis",
    ],
  });
  table.buttons().container().appendTo(holder);
  for (const name of ["family", "model", "attack", "task", "judge", "metric", "source"]) {
    const column = rows.columns.indexOf(name);
    addFilter(table, holder, name, (index) => [rows.lines[index][column]]);
  }
}
