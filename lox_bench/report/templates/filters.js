// A row of native selects over a table: each shows the values there are and keeps matching rows.

const ALL = "";

function addSelect(holder, label, values, onChange) {
  const select = element("select");
  select.append(new Option("all", ALL), ...values.map((value) => new Option(value, value)));
  select.addEventListener("change", () => onChange(select.value));
  holder.append(element("label", {}, label, select));
  return select;
}

// `valuesOf(index)` gives the values of a row; a select with nothing to choose is left out.
function addFilter(table, holder, label, valuesOf) {
  const values = new Set(table.rows().indexes().toArray().flatMap(valuesOf).filter(Boolean));
  if (values.size < 2) return;
  addSelect(holder, label, [...values], (wanted) => {
    const keep = (text, data, index) => valuesOf(index).includes(wanted);
    table.search.fixed(label, wanted === ALL ? null : keep).draw();
  });
}

function addToggle(holder, label, onChange) {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => onChange(box.checked));
  holder.append(element("label", { className: "toggle" }, box, label));
  return box;
}

// What all tables share: filters and search above, one scrolling box that the keyboard reaches.
function makeTable(DataTable, name, more) {
  const holder = document.getElementById(`${name}-filters`);
  const table = new DataTable(`#${name}-table`, {
    order: [],
    autoWidth: false,
    lengthMenu: [10, 25, 100, { label: "all", value: -1 }],
    layout: { topStart: () => holder, topEnd: "search", bottomStart: ["info", "pageLength"] },
    language: {
      search: "Search",
      lengthMenu: "_MENU_ a page",
      info: "_START_–_END_ of _TOTAL_",
      infoEmpty: "nothing matches",
      infoFiltered: "(of _MAX_)",
    },
    ...more,
  });
  const box = table.table().node().parentElement;
  box.classList.add("scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `table of ${name}`);
  const pages = table.table().container().querySelector("nav");
  pages?.setAttribute("aria-label", `pages of ${name}`);
  return { table, holder };
}
