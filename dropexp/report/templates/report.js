"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page").textContent);
  const views = new Map();

  // A narrow chart has its names in lines of their own, and so is higher.
  const fitHeight = (panel) => {
    const view = views.get(panel.name);
    if (!view || !panel.narrow) return false;
    const [widest, height] = panel.narrow;
    const before = view.height();
    view.height(view.width() > widest ? panel.height : height);
    return view.height() !== before;
  };
  addEventListener("resize", () => {
    // Vega's own listener sets the width first.
    requestAnimationFrame(() => {
      for (const panel of page.panels) if (fitHeight(panel)) views.get(panel.name).run();
    });
  });

  const draw = async (panel) => {
    const place = document.getElementById(`chart-${panel.name}`);
    const options = {
      mode: "vega-lite",
      renderer: "svg",
      actions: false,
      defaultStyle: false,
      config: page.config,
      tooltip: { disableDefaultStyle: true },
    };
    const drawn = await vegaEmbed(place, panel.spec, options);
    views.set(panel.name, drawn.view);
    if (fitHeight(panel)) await drawn.view.runAsync();
    readPoints(drawn.view, place);
  };

  // --- hiding settings --------------------------------------------------------------------
  const buttons = [...document.querySelectorAll("[data-setting]")];
  const isOn = (button) => button.getAttribute("aria-pressed") === "true";
  const listHidden = () =>
    buttons.filter((button) => !isOn(button)).map((button) => button.dataset.setting);
  const show = async () => {
    const hidden = listHidden();
    const waiting = [];
    for (const panel of page.panels.filter((each) => each.toggles)) {
      const view = views.get(panel.name);
      if (view) waiting.push(view.signal(page.hidden, hidden).runAsync());
    }
    await Promise.all(waiting);
    document.documentElement.dataset.hidden = String(hidden.length);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isOn(button)));
      show();
    });
  }
  for (const button of document.querySelectorAll("[data-all]")) {
    button.addEventListener("click", () => {
      for (const each of buttons) {
        const on = button.dataset.all === "on" || each.dataset.featured === "true";
        each.setAttribute("aria-pressed", String(on));
      }
      show();
    });
  }

  // --- sorting ----------------------------------------------------------------------------
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    return value === undefined ? cell.textContent.trim() : value === "" ? NaN : Number(value);
  };
  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return 0;
    return a - b;
  };
  const sort = (heading) => {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
    const empty = rows.filter(([value]) => Number.isNaN(value));
    const full = rows.filter(([value]) => !Number.isNaN(value));
    full.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
    table.tBodies[0].append(...[...full, ...empty].map(([, row]) => row));
  };
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  // --- saving a chart as a picture ---------------------------------------------------------
  for (const button of document.querySelectorAll("[data-save]")) {
    const panel = page.panels.find((each) => each.name === button.dataset.panel);
    button.addEventListener("click", () => {
      saveChart(page, panel, button.dataset.save, listHidden());
    });
  }

  // --- printing: open folded parts, and draw charts that the style sheet fits to the paper --
  const [WHOLE, HALF] = [860, 480]; // pixels, of which A4 without its margins has 688
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details.all")) folded.open = true;
    for (const panel of page.panels) {
      const view = views.get(panel.name);
      if (!view) continue;
      const isHalf = document.getElementById(`chart-${panel.name}`).closest(".two, .beside");
      view.width(isHalf ? HALF : WHOLE);
      fitHeight(panel);
      view.run();
    }
  });
  addEventListener("afterprint", () => dispatchEvent(new Event("resize")));

  const all = page.panels.map(draw);
  Promise.all(all).then(show).then(() => {
    document.documentElement.dataset.drawn = String(views.size);
  });
})();
