"use strict";
// Reads the points of a chart by keyboard and by touch, with the text of their tooltips.
// The chart has the focus; arrow keys move within a line and between lines.
const readPoints = (view, place) => {
  const KINDS = ["symbol", "rect"];
  const REACH = 60; // pixels between a finger and a point
  const tip = document.getElementById("point-tip");
  const said = document.getElementById("point-said");
  const ring = document.createElement("div");
  ring.className = "point-ring";
  ring.hidden = true;
  place.append(ring);
  place.querySelector("svg").setAttribute("aria-hidden", "true");
  // Vega has set its own.
  place.setAttribute("role", "application");
  place.setAttribute("aria-roledescription", "chart");
  place.setAttribute("aria-label", place.dataset.label);
  let current = null;

  // --- where the points are ---------------------------------------------------------------
  const collect = () => {
    const found = [];
    const visit = (mark, x, y) => {
      if (mark.marktype === "group") {
        for (const group of mark.items) {
          for (const inner of group.items) visit(inner, x + (group.x || 0), y + (group.y || 0));
        }
      } else if (KINDS.includes(mark.marktype)) {
        for (const item of mark.items) {
          const [dx, dy] = [item.x + (item.width || 0) / 2, item.y + (item.height || 0) / 2];
          const isShown = dx >= -1 && dx <= view.width() + 1 && dy >= -1 && dy <= view.height() + 9;
          if (item.tooltip && isShown) {
            const line = item.datum.line ?? item.datum.setting ?? "";
            found.push({ x: x + dx, y: y + dy, line, text: item.tooltip });
          }
        }
      }
    };
    const [x, y] = view.origin();
    visit(view.scenegraph().root, x, y);
    return found;
  };
  const group = (points) => {
    const lines = new Map();
    for (const point of points) {
      if (!lines.has(point.line)) lines.set(point.line, []);
      lines.get(point.line).push(point);
    }
    for (const line of lines.values()) line.sort((a, b) => a.x - b.x);
    const top = (line) => line[line.length - 1].y;
    return [...lines.values()].sort((a, b) => top(a) - top(b));
  };

  // --- showing one ------------------------------------------------------------------------
  const scale = () => {
    const svg = place.querySelector("svg");
    return svg.getBoundingClientRect().width / Number(svg.getAttribute("width"));
  };
  const show = (point) => {
    current = point;
    const [x, y] = [point.x * scale(), point.y * scale()];
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px` });
    ring.hidden = false;
    ring.scrollIntoView({ block: "nearest", inline: "nearest" });
    const entries = Object.entries(point.text);
    tip.replaceChildren(
      ...entries.flatMap(([name, value]) => {
        const [term, number] = [document.createElement("dt"), document.createElement("dd")];
        [term.textContent, number.textContent] = [name, value];
        return [term, number];
      }),
    );
    said.textContent = entries.map((entry) => entry.join(" ")).join(", ");
    tip.hidden = false;
    const [box, own] = [place.getBoundingClientRect(), tip.getBoundingClientRect()];
    const right = box.left + x + 14;
    const left = right + own.width > innerWidth - 8 ? box.left + x - own.width - 14 : right;
    const above = Math.min(box.top + y - own.height / 2, innerHeight - own.height - 8);
    tip.style.left = `${Math.max(left, 8) + scrollX}px`;
    tip.style.top = `${Math.max(above, 8) + scrollY}px`;
  };
  const hide = () => {
    current = null;
    ring.hidden = tip.hidden = true;
    said.textContent = "";
  };

  // --- moving -----------------------------------------------------------------------------
  const nearest = (points, distance) =>
    points.reduce((a, b) => (distance(a) <= distance(b) ? a : b));
  const move = (key) => {
    const lines = group(collect());
    if (!lines.length) return;
    const isCurrent = (point) => current && point.x === current.x && point.y === current.y;
    let at = lines.findIndex((line) => line[0].line === current?.line);
    if (at < 0) return show(lines[0][0]);
    const line = lines[at];
    const place_ = Math.max(line.findIndex(isCurrent), 0);
    if (key === "ArrowRight") show(line[Math.min(place_ + 1, line.length - 1)]);
    if (key === "ArrowLeft") show(line[Math.max(place_ - 1, 0)]);
    if (key === "Home") show(line[0]);
    if (key === "End") show(line[line.length - 1]);
    if (key === "ArrowDown" || key === "ArrowUp") {
      at = Math.min(Math.max(at + (key === "ArrowDown" ? 1 : -1), 0), lines.length - 1);
      show(nearest(lines[at], (point) => Math.abs(point.x - current.x)));
    }
  };
  place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return hide();
    if (!/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) return;
    event.preventDefault();
    move(event.key);
  });
  place.addEventListener("blur", hide);
  place.addEventListener("click", (event) => {
    if (event.pointerType === "mouse") return; // which has tooltips
    const [box, factor] = [place.getBoundingClientRect(), scale()];
    const [x, y] = [(event.clientX - box.left) / factor, (event.clientY - box.top) / factor];
    const points = collect();
    const distance = (point) => Math.hypot(point.x - x, point.y - y);
    const point = points.length ? nearest(points, distance) : null;
    if (point && distance(point) < REACH) show(point);
    else hide();
  });
};
