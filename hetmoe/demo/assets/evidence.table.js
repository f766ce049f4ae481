// The numbers behind a chart as text: one table for each of its panels, made from the very data that are drawn.

function plain(html) {
  const parsed = new DOMParser().parseFromString(String(html).replaceAll("<br>", ", "), "text/html");
  return parsed.body.textContent.trim();
}

function tables({ data, layout }) {
  const panels = new Map();
  for (const trace of data) {
    if (trace.hoverinfo === "skip") continue; // lines and bands that only guide the eye
    const key = trace.xaxis ?? "x";
    if (!panels.has(key)) panels.set(key, { rows: new Map(), columns: new Set(), corner: "" });
    fill(panels.get(key), trace, layout);
  }
  const headings = layout.annotations.filter((annotation) => annotation.name === "heading");
  return [...panels.values()]
    .filter(({ rows }) => rows.size)
    .map((panel, i) => tableNode(panel, headings[i] ? plain(headings[i].text) : ""));
}

// Adds a trace's points to a panel's rows (label → its place and its cells by column) and columns.
function fill(panel, trace, layout) {
  const axis = (letter) => layout[(trace[`${letter}axis`] ?? letter).replace(/^./, `${letter}axis`)] ?? {};
  const named = plain(trace.name ?? "value");
  const put = (row, column, cell, place = panel.rows.size) => {
    panel.columns.add(column);
    if (!panel.rows.has(row)) panel.rows.set(row, { place, cells: new Map() });
    const { cells } = panel.rows.get(row);
    cells.set(column, cells.has(column) ? `${cells.get(column)}; ${cell}` : cell);
  };
  if (trace.type === "heatmap") {
    for (const [i, line] of trace.z.entries())
      for (const [j, value] of line.entries())
        put(label(axis("y"), trace.y[i]), label(axis("x"), trace.x[j]), plain(trace.text?.[i][j] ?? number(value)));
  } else if (trace.type === "scatterpolar") {
    const points = new Map(trace.theta.map((theta, i) => [theta, trace.r[i]])); // the last one, which closes the line, is the first
    for (const [theta, r] of points) put(label(layout.polar.angularaxis, theta), named, number(r, layout.polar.radialaxis));
  } else {
    const [across, upwards] = [axis("x"), axis("y")];
    const sideways = isCategorical(upwards) && !isCategorical(across); // values go to the right
    const [keys, values, keyAxis, valueAxis] = sideways ? [trace.y, trace.x, upwards, across] : [trace.x, trace.y, across, upwards];
    const spread = sideways ? trace.error_x : trace.error_y;
    const pointsHaveNames = Array.isArray(trace.text) && trace.hovertemplate?.includes("%{text}");
    panel.corner = plain(keyAxis.title?.text ?? "");
    for (const [i, key] of keys.entries())
      put(pointsHaveNames ? plain(trace.text[i]) : label(keyAxis, key), named, number(values[i], valueAxis) + plusMinus(spread, i), key);
  }
}

// Ticks 0, 1, 2 … with texts stand for categories; marks may stand a little beside their tick.
function isCategorical(axis) {
  return Boolean(axis.ticktext?.length) && axis.tickvals.every((place, i) => place === i);
}

// The name of a place on an axis.
function label(axis, place) {
  if (typeof place === "string") return plain(axis.ticktext?.[axis.tickvals.indexOf(place)] ?? place);
  return isCategorical(axis) ? plain(axis.ticktext[Math.round(place)]) : number(place, axis);
}

function number(value, axis = {}) {
  if (typeof value !== "number") return "–";
  const unit = (axis.ticksuffix ?? "").trim();
  return value.toLocaleString("en", { maximumSignificantDigits: 4 }) + (unit && `\u202f${unit}`);
}

function plusMinus(spread, i) {
  if (typeof spread?.array?.[i] !== "number") return "";
  const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 2 });
  const [up, down] = [digits(spread.array[i]), digits(spread.arrayminus?.[i] ?? spread.array[i])];
  return up === down ? ` ± ${up}` : ` +${up} −${down}`;
}

function tableNode({ rows, columns, corner }, caption) {
  const table = document.createElement("table");
  if (caption) table.createCaption().textContent = caption;
  table.createTHead().insertRow().append(...[corner, ...columns].map((column) => heading(column, "col")));
  const body = table.createTBody();
  for (const [name, { cells }] of [...rows].sort(([, a], [, b]) => a.place - b.place)) {
    const row = body.insertRow();
    row.append(heading(name, "row"));
    for (const column of columns) row.insertCell().textContent = cells.get(column) ?? "–";
  }
  return table;
}

function heading(text, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}
