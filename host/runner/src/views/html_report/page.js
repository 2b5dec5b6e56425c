"use strict";
// Adds searching and sorting. The page can be read without it.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const details = all("#steps details");

  // Searching: rows without the words are hidden, and tables without such rows.
  const lists = all("#steps .rows table, #steps .entries").map((table) => {
    const box = table.closest("details") ?? table;
    const name = box === table ? table.caption : box.querySelector("h3");
    const rows = [...table.tBodies[0].rows];
    return { box, rows, name: name.textContent.toLowerCase(), texts: null };
  });
  const total = lists.reduce((sum, list) => sum + list.rows.length, 0);
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  let openBefore = null;

  const search = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length > 0 && openBefore === null) openBefore = details.filter((box) => box.open);
    let hits = 0;
    for (const list of lists) {
      list.texts ??= list.rows.map((row) => `${list.name} ${[...row.cells].map((cell) => cell.textContent).join(" ")}`.toLowerCase());
      let here = 0;
      list.rows.forEach((row, index) => {
        const hit = words.every((word) => list.texts[index].includes(word));
        if (row.hidden === hit) row.hidden = !hit;
        if (hit) here += 1;
      });
      list.box.hidden = here === 0;
      // A large table is opened by hand: laying it out takes a while.
      if (words.length > 0 && list.box.tagName === "DETAILS") list.box.open = here > 0 && here <= 500;
      hits += here;
    }
    if (words.length === 0 && openBefore !== null) {
      for (const box of details) box.open = openBefore.includes(box);
      openBefore = null;
    }
    const number = (count) => count.toLocaleString("en");
    found.value = words.length === 0 ? "" : `${number(hits)} of ${number(total)} rows`;
  };

  let waiting;
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 120);
  });
  const tools = document.getElementById("tools");
  tools.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("open").addEventListener("click", () => details.forEach((box) => { box.open = true; }));
  document.getElementById("close").addEventListener("click", () => details.forEach((box) => { box.open = false; }));
  tools.hidden = lists.length === 0;

  // Sorting: a press on a column's name sorts by it, the next turns the order round, the third restores it.
  const collator = new Intl.Collator("en", { numeric: true });
  const orders = { none: "ascending", ascending: "descending", descending: "none" };
  const sort = (table, heading, original) => {
    const order = orders[heading.getAttribute("aria-sort") ?? "none"];
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    let rows = original;
    if (order !== "none") {
      heading.setAttribute("aria-sort", order);
      const column = heading.cellIndex;
      const numeric = heading.classList.contains("n");
      const key = (row) => { const text = row.cells[column].textContent; return numeric ? (text === "" ? -Infinity : Number(text)) : text; };
      const compare = numeric ? (a, b) => (a < b ? -1 : Number(a > b)) : collator.compare;
      const sign = order === "ascending" ? 1 : -1;
      rows = original.map((row) => [key(row), row]).sort(([a], [b]) => sign * compare(a, b)).map(([, row]) => row);
    }
    table.tBodies[0].append(...rows);
  };
  for (const table of all("#steps .rows table")) {
    const original = [...table.tBodies[0].rows];
    if (original.length < 2) continue;
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading, original));
    }
  }

  // Printing shows what is closed, also in browsers whose style sheets cannot.
  let openOnScreen = [];
  addEventListener("beforeprint", () => {
    openOnScreen = details.filter((box) => box.open);
    details.forEach((box) => { box.open = true; });
  });
  addEventListener("afterprint", () => details.forEach((box) => { box.open = openOnScreen.includes(box); }));
})();
