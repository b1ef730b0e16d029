// What the pages do: sort and filter tables, answer the picker, show a point's numbers, highlight
// one estimator everywhere, and change colours. Without it, the pages lose nothing but that.
"use strict";

const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// What is remembered from page to page; a browser may refuse it.
const memory = {
  get(name) { try { return localStorage.getItem("gradpareto." + name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem("gradpareto." + name, value); } catch { /* not kept */ } },
};

// Colours: those of the system until the button is pressed.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");
function isDark() { return (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark"; }
function nameTheme() { themeButton.textContent = isDark() ? "Light colours" : "Dark colours"; }
const kept = memory.get("theme");
if (kept === "dark" || kept === "light") root.dataset.theme = kept;
themeButton.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  memory.set("theme", root.dataset.theme);
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();
themeButton.hidden = false;

// Tables: a press of a head sorts by it, and another one turns the order round.
function valueOf(row, column) {
  const cell = row.cells[column];
  return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
}
function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a === b ? 0 : a < b ? -1 : 1;
}
function sortBy(head) {
  const table = head.closest("table"), body = table.tBodies[0];
  const falls = head.getAttribute("aria-sort") === "ascending";
  const rows = [...body.rows].map((row) => [valueOf(row, head.cellIndex), row]);
  rows.sort(([a], [b]) => {
    const unknown = Number.isNaN(a) || Number.isNaN(b); // what is not known comes last either way
    return falls && !unknown ? compare(b, a) : compare(a, b);
  });
  body.append(...rows.map(([, row]) => row));
  all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", falls ? "descending" : "ascending");
}
all(".sort").forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"))));

all("input[data-filter]").forEach((input) => {
  const table = document.getElementById(input.dataset.filter);
  const line = input.closest(".filter"), status = line.querySelector("[role=status]");
  line.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    status.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
});

// One estimator, everywhere on the page and on the next ones.
const select = document.getElementById("highlight"), mark = document.getElementById("mark");
function highlight(name) {
  all("[data-estimator]").forEach((one) => one.classList.toggle("lit", one.dataset.estimator === name));
  all("svg.plot").forEach((plot) => {
    const lit = all(".lit", plot);
    plot.classList.toggle("focused", lit.length > 0);
    lit.forEach((group) => group.parentNode.append(group)); // above the others
  });
  if (mark) mark.setAttribute("aria-pressed", String(mark.dataset.name === name));
  if (select) select.value = [...select.options].some((o) => o.value === name) ? name : "";
}
function choose(name) {
  memory.set("estimator", name);
  highlight(name);
}
function asked() {
  const found = /^#estimator=(.+)$/.exec(location.hash);
  try { return found && decodeURIComponent(found[1]); } catch { return null; }
}
if (select) {
  document.getElementById("highlighter").hidden = false;
  select.addEventListener("change", () => choose(select.value));
}
if (mark) {
  mark.hidden = false;
  const pressed = () => mark.getAttribute("aria-pressed") === "true";
  mark.addEventListener("click", () => choose(pressed() ? "" : mark.dataset.name));
}
addEventListener("hashchange", () => asked() && choose(asked()));
const first = asked();
if (first) choose(first);
else if (memory.get("estimator")) highlight(memory.get("estimator"));

// Figures: the point under the pointer tells its numbers; a press of a curve highlights it.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
all("svg.plot").forEach((plot) => {
  all("use > title", plot).forEach((title) => {
    title.parentNode.dataset.told = title.textContent; // else the browser shows it as well
    title.remove();
  });
  plot.addEventListener("pointermove", (event) => {
    const told = event.target.dataset && event.target.dataset.told;
    tip.hidden = !told;
    if (!told) return;
    tip.textContent = told;
    tip.style.left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = event.clientY + 16 + "px";
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = true; });
  plot.addEventListener("click", (event) => {
    const group = event.target.closest(".series[data-estimator]");
    choose(group && !group.classList.contains("lit") ? group.dataset.estimator : "");
  });
});

// The choice of axes: one figure at a time.
const axes = document.getElementById("axes");
if (axes) {
  const show = () => all("section.figure").forEach((section) => {
    section.hidden = section.id !== "axis-" + axes.querySelector("input:checked").value;
  });
  axes.hidden = false;
  axes.addEventListener("change", show);
  show();
}

// The picker: it shows the cell of the decision table that answers.
const picker = document.getElementById("picker");
if (picker) {
  const [kind, target, cost] = ["kind", "target", "cost"].map((id) => document.getElementById(id));
  const answer = () => {
    const cells = all(".decision td");
    cells.forEach((cell) => cell.classList.remove("lit"));
    const cell = cells.find(({ dataset: d }) =>
      d.kind === kind.value && d.target === target.value && d.cost === cost.value);
    if (cell) cell.classList.add("lit");
    const copies = cell ? [...cell.childNodes].map((node) => node.cloneNode(true)) : ["not measured"];
    document.getElementById("answer").replaceChildren(...copies);
  };
  picker.hidden = false;
  picker.addEventListener("change", answer);
  picker.addEventListener("submit", (event) => event.preventDefault());
  answer();
}
