"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("script");

  // storage may be forbidden on file:// pages
  const remembered = () => { try { return localStorage.getItem("visattn-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("visattn-theme", theme); } catch { /* not remembered */ } };
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = remembered();

  const showTheme = () => {
    if (chosen) root.dataset.theme = chosen;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String((chosen ?? (system.matches ? "dark" : "light")) === "dark"));
  };
  showTheme();
  system.addEventListener("change", showTheme);

  const sortBy = (table, column, button) => {
    const header = button.closest("th");
    const descending = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = column === 0 ? x.localeCompare(y, "en", { numeric: true }) : x - y;
      return descending ? -order : order;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  };

  document.addEventListener("DOMContentLoaded", () => {
    showTheme();
    document.getElementById("theme").addEventListener("click", (event) => {
      chosen = event.currentTarget.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      remember(chosen);
      showTheme();
    });
    for (const table of document.querySelectorAll("table.sortable")) {
      table.querySelectorAll("thead button").forEach((button, column) => {
        button.addEventListener("click", () => sortBy(table, column, button));
      });
    }
    for (const button of document.querySelectorAll("[data-show]")) {
      button.addEventListener("click", () => {
        const boxes = button.closest("fieldset").querySelectorAll("input[type=checkbox]");
        boxes.forEach((box) => { box.checked = button.dataset.show === "all"; });
      });
    }
    const heat = document.getElementById("heat");
    heat?.addEventListener("input", () => root.style.setProperty("--heat", heat.value / 100));
  });
})();
