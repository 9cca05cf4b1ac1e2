// The leaderboard stands in the page as HTML and is made to sort and filter; all rows are data.

function setUpLeaderboard(DataTable) {
  const { table, holder } = makeTable(DataTable, "leaderboard", { paging: false, info: false });
  for (const name of ["run", "family", "model", "attack", "valid"]) {
    addFilter(table, holder, name, (index) => [table.row(index).node().dataset[name]]);
  }
  const measures = table.columns(".measure");
  for (const name of ["metric", "judge"]) {
    const of = (index) => table.column(index).header().dataset[name];
    const values = [...new Set(measures.indexes().toArray().map(of))];
    if (values.length < 2) continue;
    addSelect(holder, name, values, (wanted) => {
      chosen[name] = wanted;
      showMeasures(table, measures);
    });
  }
}

const chosen = { metric: ALL, judge: ALL };

function showMeasures(table, measures) {
  for (const index of measures.indexes().toArray()) {
    const held = table.column(index).header().dataset;
    const shown = Object.keys(chosen).every((key) => [ALL, held[key]].includes(chosen[key]));
    table.column(index).visible(shown, false);
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
