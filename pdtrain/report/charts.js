// Draws the charts of a page (pdtrain/report/charts.py says of what): values on hover and by the arrow keys, lines to
// switch on and off. Names are only ever set as text. Where this does not run, the figures that it replaces stand.
"use strict";
{
const data = JSON.parse(document.getElementById("charts").textContent);
const NEAR = 30, UPON = 2, TICK = 13; // pixels: what a pointer reaches, what lies at one place, a label on its side
const MOST = 8; // values said at once
const LONGEST = 22; // characters of a label

// ---- what is said

const number = value => Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));

const named = (axis, item) => `${data.axes[axis].noun} ${data.axes[axis].items[item]}`.trim();

function said(table, line, column) {
  const names = [named(table.lines, line), named(table.columns, column)];
  const interval = table.lower && table.lower[line][column] !== null && table.upper[line][column] !== null
    ? ` [${number(table.lower[line][column])}, ${number(table.upper[line][column])}]` : "";
  const bound = table.bounds && table.bounds[line][column] ? ", a lower bound" : "";
  return `${names.filter(Boolean).join(", ")}: ${number(table.values[line][column])}${interval} ${table.unit}`.trim() + bound;
}

// every value that is known, with its places along the axis and across it; gaps stand between, with no value
function pointsOf(view, hidden) {
  const table = data.tables[view.table], across = table.lines === view.along ? table.columns : table.lines;
  const points = [];
  table.values.forEach((values, line) => values.forEach((value, column) => {
    const [along, by] = table.lines === view.along ? [line, column] : [column, line];
    if (hidden.of(view.along).has(along) || hidden.of(across).has(by)) return;
    points.push({
      along, by, value, text: value === null ? "" : said(table, line, column),
      lower: table.lower ? table.lower[line][column] : null, upper: table.upper ? table.upper[line][column] : null,
      bound: Boolean(table.bounds && table.bounds[line][column]),
      colour: (view.kind === "bars" ? data.axes[view.along].colours[along] : undefined) ?? data.axes[across].colours[by] ?? "#0072B2",
    });
  }));
  return {points: points.sort((one, other) => one.by - other.by || one.along - other.along), across, table};
}

const known = points => points.filter(point => point.value !== null);
const distinct = values => [...new Set(values)].sort((one, other) => one - other);
const short = text => text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;

// ---- drawing: one function for each kind of view

// the scale of an axis from left to right, and the room that its labels take
function horizontal(axis, items, width, banded) {
  if (axis.places.length && !banded) {
    const whole = axis.places.every(Number.isInteger), count = Math.max(3, width / 70);
    const ticks = d3.ticks(...d3.extent(items, item => axis.places[item]), count).filter(place => !whole || Number.isInteger(place));
    return {scale: {label: axis.label, labelAnchor: "center", labelArrow: "none", ticks, tickFormat: number},
      of: item => axis.places[item], room: 38};
  }
  const step = Math.ceil(items.length / Math.max(1, (width - 60) / TICK));
  const text = item => axis.ticks.length && items.indexOf(item) % step === 0 ? short(axis.ticks[item]) : "";
  const longest = Math.max(0, ...items.map(item => text(item).length));
  const aside = longest > 3;
  return {scale: {type: banded ? "band" : "point", domain: items, label: axis.label, labelAnchor: "center",
    labelArrow: "none", tickFormat: text, tickRotate: aside ? -55 : 0, tickSize: 3}, of: item => item,
    room: 24 + (aside ? 4.7 * longest : 10)};
}

function vertical(view, points) {
  const seen = view.limits ?? d3.extent(points.flatMap(point => [point.value, point.lower, point.upper])
    .concat(view.zero, view.reference, view.beside.flatMap(beside => beside.values)).filter(value => value !== null));
  const [low, high] = seen[0] === undefined ? [0, 1] : seen;
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

function drawLines(view, width, hidden) {
  const {points, across, table} = pointsOf(view, hidden), axis = data.axes[view.along];
  const items = distinct(known(points).map(point => point.along));
  const x = horizontal(axis, items, width, false), of = item => x.of(item.along);
  // who steps through epochs compares them on one scale
  const stays = data.axes[across].steps ? {of: name => name === across ? new Set() : hidden.of(name)} : hidden;
  const range = vertical(view, pointsOf(view, stays).points);
  const drawn = points.filter(point => items.includes(point.along) && (view.gaps || point.value !== null));
  const isDashed = point => Boolean(data.axes[across].dashed[point.by]);
  const line = (chosen, options) => Plot.line(drawn.filter(chosen), {
    x: of, y: "value", z: "by", stroke: "colour", clip: true, strokeWidth: 1.6, ...options});
  const beside = view.beside.flatMap(other => other.places.map((place, at) => ({
    along: place, value: other.values[at], reach: other.deviations[at] ?? 0, colour: other.colour, label: other.label,
  }))).filter(point => items.includes(point.along));
  const targets = known(drawn);
  return {targets, across, marks: "circle", svg: Plot.plot({
    width, height: Math.min(340, 170 + width / 6) + x.room, marginLeft: 46, marginBottom: x.room, marginTop: 30, insetLeft: 8, insetRight: 8,
    x: x.scale, y: {domain: range, label: table.unit || null, grid: true, ticks: 5}, color: {type: "identity"}, r: {type: "identity"},
    marks: [
      view.zero === null ? null : Plot.ruleY([view.zero], {stroke: "#222", strokeWidth: 0.7}),
      view.reference === null ? null : Plot.ruleY([view.reference], {stroke: "#222", strokeDasharray: "2,3"}),
      Plot.areaY(drawn, {x: of, y1: "lower", y2: "upper", z: "by", fill: "colour", fillOpacity: 0.16, clip: true}),
      line(point => !isDashed(point)), line(isDashed, {strokeDasharray: "5,3"}),
      Plot.lineY(beside, {x: of, y: "value", z: "label", stroke: "colour", strokeDasharray: "2,3"}),
      Plot.ruleX(beside, {x: of, y1: point => point.value - point.reach, y2: point => point.value + point.reach, stroke: "colour"}),
      Plot.dot(beside, {x: of, y: "value", fill: "white", stroke: "colour", symbol: "square", r: 4}),
      Plot.text(view.stars.filter(star => items.includes(star)), {
        x: item => x.of(item), text: () => "*", frameAnchor: "top", dy: -4, fontSize: 15}),
      Plot.text(view.note ? [view.note] : [], {text: note => note, frameAnchor: "top-right", dy: -20}),
      Plot.dot(drawn.filter(point => point.bound), {
        x: of, y: "value", symbol: "triangle", r: 5, fill: "white", stroke: "#222", clip: true}),
      Plot.dot(targets, {x: of, y: "value", r: 3, fill: "colour", ariaLabel: "text", clip: true, sort: null}),
    ]})};
}

function drawBars(view, width, hidden) {
  const {points, across, table} = pointsOf(view, hidden), axis = data.axes[view.along], targets = known(points);
  const items = distinct(targets.map(point => point.along)), x = horizontal(axis, items, width, true);
  const hasInterval = point => point.lower !== null && point.upper !== null;
  return {targets, across, marks: "rect", svg: Plot.plot({
    width, height: Math.min(300, 150 + width / 6) + x.room, marginLeft: 46, marginBottom: x.room, marginTop: 24,
    x: {...x.scale, padding: 0.08}, y: {domain: vertical(view, points), label: table.unit || null, grid: true, ticks: 5},
    color: {type: "identity"},
    marks: [
      Plot.ruleY([0], {stroke: "#222", strokeWidth: 0.7}),
      Plot.barY(targets, {x: "along", y: "value", fill: "colour", ariaLabel: "text", sort: null}),
      Plot.ruleX(targets.filter(hasInterval), {x: "along", y1: "lower", y2: "upper", stroke: "#222"}),
    ]})};
}

function drawMap(view, width, hidden) {
  const {points, across, table} = pointsOf(view, hidden), axis = data.axes[view.along], targets = known(points);
  const items = distinct(targets.map(point => point.along)), x = horizontal(axis, items, width, true);
  const lines = distinct(targets.map(point => point.by)), upwards = view.along === table.columns && data.axes[across].ticks.length;
  const labels = data.axes[across].ticks.map(short);
  const room = 12 + 5.6 * Math.max(2, ...lines.map(line => (labels[line] ?? "").length));
  const range = view.limits ?? vertical({...view, zero: null, beside: []}, targets);
  const colour = {type: view.root ? "sqrt" : "linear", scheme: "viridis", domain: range, clamp: true};
  const svg = Plot.plot({
    width, height: Math.min(380, 40 + 19 * lines.length) + x.room, marginLeft: room, marginBottom: x.room, marginTop: 8,
    x: {...x.scale, padding: 0}, color: colour,
    y: {type: "band", domain: upwards ? lines.reverse() : lines, label: null, padding: 0, tickSize: 0,
      tickFormat: line => labels[line] ?? ""},
    marks: [Plot.cell(targets, {x: "along", y: "by", fill: "value", inset: 0, ariaLabel: "text", sort: null})]});
  const ramp = Plot.legend({color: {...colour, label: [table.unit, view.note].filter(Boolean).join("; ")},
    width: Math.min(width, 260), height: 44, ticks: 4, marginLeft: 14, marginRight: 14});
  return {targets, across, marks: "rect", svg, ramp};
}

// places upwards, values to the right: how they are spread
function drawSteps(view, width, hidden) {
  const {points, across, table} = pointsOf(view, hidden), axis = data.axes[view.along], targets = known(points);
  const y = point => axis.places[point.along];
  const line = (chosen, options) => Plot.line(targets.filter(chosen), {
    x: "value", y, z: "by", stroke: "colour", curve: "step-after", strokeWidth: 1.6, ...options});
  const isDashed = point => Boolean(data.axes[across].dashed[point.by]);
  return {targets, across, marks: "circle", svg: Plot.plot({
    width, height: Math.min(260, 130 + width / 6), marginLeft: 46, marginBottom: 36, marginTop: 24,
    x: {label: table.unit, labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, width / 70)},
    y: {label: axis.label, grid: true, ticks: 5}, color: {type: "identity"}, r: {type: "identity"},
    marks: [line(point => !isDashed(point)), line(isDashed, {strokeDasharray: "5,3"}),
      Plot.dot(targets, {x: "value", y, r: 2, fill: "colour", fillOpacity: 0, ariaLabel: "text", sort: null})]})};
}

const DRAW = {lines: drawLines, bars: drawBars, map: drawMap, steps: drawSteps};

// ---- one value at a time: by pointer, by touch, by keys

const tip = Object.assign(document.createElement("div"), {className: "tip", hidden: true});
tip.setAttribute("aria-hidden", "true"); // what it says is the label of what has the focus
document.body.append(tip);

function show(element, text) {
  const box = element.getBoundingClientRect();
  tip.textContent = text;
  tip.hidden = false;
  const left = Math.min(Math.max(4, box.x + box.width / 2 - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 4);
  const above = box.y - tip.offsetHeight - 8;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
}

function hide() {
  tip.hidden = true;
  for (const marked of document.querySelectorAll(".pointed")) marked.classList.remove("pointed");
}

function answering({svg, targets, marks}, title) {
  const group = [...svg.querySelectorAll("g")].filter(g => g.querySelector(`:scope > ${marks}[aria-label]`)).pop();
  const elements = group ? [...group.children] : [];
  const pointOf = new Map(elements.map(element => [element, targets[d3.select(element).datum()]]));
  const elementAt = new Map(elements.map(element => [`${pointOf.get(element).by} ${pointOf.get(element).along}`, element]));
  for (const element of elements) {
    element.setAttribute("role", "img");
    element.setAttribute("tabindex", "-1");
  }
  elements[0]?.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "chart");
  svg.setAttribute("aria-label", `${title}. Arrow keys go from value to value.`);

  const alongs = distinct(targets.map(point => point.along)), bys = distinct(targets.map(point => point.by));
  // the next that has a value, in a direction
  function from(point, key) {
    const way = {ArrowRight: ["along", 1], ArrowLeft: ["along", -1], ArrowUp: ["by", 1], ArrowDown: ["by", -1]}[key];
    if (!way) return null;
    const all = way[0] === "along" ? alongs : bys;
    for (let at = all.indexOf(point[way[0]]) + way[1]; at >= 0 && at < all.length; at += way[1]) {
      const next = {...point, [way[0]]: all[at]}, element = elementAt.get(`${next.by} ${next.along}`);
      if (element) return element;
    }
    return null;
  }
  svg.addEventListener("keydown", event => {
    const point = pointOf.get(document.activeElement);
    if (!point) return;
    if (event.key === "Escape") return hide();
    const ends = {Home: elements[0], End: elements[elements.length - 1]};
    const next = ends[event.key] ?? from(point, event.key);
    if (next || event.key.startsWith("Arrow")) event.preventDefault(); // the page does not move meanwhile
    if (next) next.focus();
  });
  svg.addEventListener("focusin", event => {
    const point = pointOf.get(event.target);
    if (!point) return;
    for (const element of elements) element.setAttribute("tabindex", element === event.target ? "0" : "-1");
    show(event.target, point.text);
  });
  svg.addEventListener("focusout", hide);
  svg.addEventListener("pointermove", event => {
    const found = (marks === "rect" ? [event.target.closest("[role=img]")] : nearest(event)).filter(e => pointOf.has(e));
    hide();
    if (!found.length) return;
    for (const element of found) element.classList.add("pointed");
    show(found[0], found.map(element => pointOf.get(element).text).join("\n"));
  });
  svg.addEventListener("pointerleave", hide);

  // the nearest, and what lies upon it
  function nearest(event) {
    const [x, y] = d3.pointer(event, svg);
    const far = (element, x, y) => Math.hypot(element.cx.baseVal.value - x, element.cy.baseVal.value - y);
    const first = d3.least(elements, element => far(element, x, y));
    if (!first || far(first, x, y) > NEAR) return [];
    return elements.filter(element => far(element, first.cx.baseVal.value, first.cy.baseVal.value) <= UPON).slice(0, MOST);
  }
}

// ---- switches

function switches(name, hidden, redraw, open) {
  const axis = data.axes[name], box = document.createElement(open ? "fieldset" : "details"), inputs = [];
  const title = document.createElement(open ? "legend" : "summary");
  title.textContent = axis.title;
  box.append(title);
  box.className = "switches";
  const refresh = () => { inputs.forEach((input, item) => { input.checked = !hidden.of(name).has(item); }); redraw(); };
  const set = items => { hidden.set(name, items); refresh(); };
  axis.items.forEach((text, item) => {
    const label = document.createElement("label"), input = document.createElement("input"), swatch = document.createElement("i");
    Object.assign(input, {type: "checkbox", checked: !hidden.of(name).has(item)});
    input.dataset.item = item;
    input.addEventListener("change", () => {
      input.checked ? hidden.of(name).delete(item) : hidden.of(name).add(item);
      redraw();
    });
    swatch.style.borderTop = axis.colours.length ? `3px ${axis.dashed[item] ? "dashed" : "solid"} ${axis.colours[item]}` : "0";
    label.append(input, swatch, text);
    inputs.push(input);
    box.append(label);
  });
  for (const [text, chosen] of [["all", () => []], ["none", () => axis.items.map((_, item) => item)]]) {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: text});
    button.setAttribute("aria-label", `${axis.title}: ${text}`);
    button.addEventListener("click", () => set(chosen()));
    box.append(button);
  }
  if (axis.steps && open) {
    const last = axis.items.length - 1, label = Object.assign(document.createElement("label"), {className: "stepper"});
    const input = Object.assign(document.createElement("input"), {type: "range", min: 1, max: last, value: last});
    const told = () => input.setAttribute("aria-valuetext", named(name, input.value));
    input.addEventListener("input", () => {
      told();
      set(axis.items.map((_, item) => item).filter(item => item !== 0 && item !== Number(input.value)));
    });
    told();
    label.append(`step through, beside ${axis.items[0]}`, input);
    box.append(label);
  }
  return box;
}

// ---- the same values as text

function tableOf(view, hidden) {
  const {points, across, table} = pointsOf(view, hidden), list = document.createElement("table");
  list.createCaption().textContent = `${table.title} (${table.unit})`;
  const alongs = distinct(points.map(point => point.along)), bys = distinct(points.map(point => point.by));
  const head = list.createTHead().insertRow(), at = new Map(points.map(point => [`${point.by} ${point.along}`, point]));
  const heading = (row, text, scope) => {
    const cell = Object.assign(document.createElement("th"), {textContent: text, scope});
    row.append(cell);
  };
  heading(head, "", "col");
  for (const by of bys) heading(head, named(across, by), "col");
  const body = list.createTBody();
  for (const along of alongs) {
    const row = body.insertRow();
    heading(row, named(view.along, along), "row");
    for (const by of bys) {
      const point = at.get(`${by} ${along}`);
      row.insertCell().textContent = !point || point.value === null ? "–" : number(point.value)
        + (point.lower === null || point.upper === null ? "" : ` [${number(point.lower)}, ${number(point.upper)}]`);
    }
  }
  return list;
}

function asText(chart, hidden) {
  const details = document.createElement("details"), summary = document.createElement("summary");
  summary.textContent = "Values as tables";
  const content = Object.assign(document.createElement("div"), {className: "wide"});
  details.append(summary, content);
  const fill = () => { if (details.open) content.replaceChildren(...chart.views.map(view => tableOf(view, hidden))); };
  details.addEventListener("toggle", fill);
  return {details, fill};
}

// ---- a figure

function build(figure) {
  const chart = data.charts[figure.dataset.chart];
  if (!chart) return;
  const off = new Map(Object.entries(chart.hidden).map(([name, items]) => [name, new Set(items)]));
  const hidden = {
    of(name) { if (!off.has(name)) off.set(name, new Set()); return off.get(name); },
    set(name, items) { off.set(name, new Set(items)); },
  };
  const box = Object.assign(document.createElement("div"), {className: "chart"});
  const grid = Object.assign(document.createElement("div"), {className: chart.views.length > 1 ? "views" : "views alone"});
  const drawn = chart.views.map(view => {
    const holder = document.createElement("div"), title = document.createElement("h3"), place = document.createElement("div");
    title.textContent = data.tables[view.table].title;
    holder.append(title, place);
    grid.append(holder);
    return {view, place, title: title.textContent};
  });
  const text = asText(chart, hidden);
  function redraw() {
    hide();
    const width = Math.max(220, Math.floor(grid.firstElementChild.clientWidth));
    for (const {view, place, title} of drawn) {
      const result = DRAW[view.kind](view, width, hidden);
      answering(result, title);
      place.replaceChildren(result.svg, ...(result.ramp ? [result.ramp] : []));
    }
    text.fill();
  }
  const acrossOf = view => { const table = data.tables[view.table]; return table.lines === view.along ? table.columns : table.lines; };
  const first = [...new Set(chart.views.map(acrossOf))], second = [...new Set(chart.views.map(view => view.along))];
  const worth = name => data.axes[name].items.length > 1 && data.axes[name].items.length <= 100 && data.axes[name].title;
  const controls = Object.assign(document.createElement("div"), {className: "controls"});
  controls.append(...first.filter(worth).map(name => switches(name, hidden, redraw, true)),
    ...second.filter(name => worth(name) && !first.includes(name)).map(name => switches(name, hidden, redraw, false)));
  box.append(controls, grid, text.details);
  figure.prepend(box);
  figure.classList.add("live"); // the drawn one is kept for print
  redraw();
  let width = grid.clientWidth;
  const resized = () => { if (grid.clientWidth !== width) { width = grid.clientWidth; redraw(); } };
  new ResizeObserver(() => requestAnimationFrame(resized)).observe(grid);
}

for (const figure of document.querySelectorAll("figure[data-chart]")) {
  try {
    build(figure);
  } catch (error) { // the drawn one stands
    figure.classList.remove("live");
    figure.querySelector(".chart")?.remove();
    throw error;
  }
}
}
