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
    if (!panels.has(key)) panels.set(key, { rows: new Map(), columns: new Set() });
    fill(panels.get(key), trace, layout);
  }
  const headings = layout.annotations.filter((annotation) => annotation.name === "heading");
  return [...panels.values()]
    .filter(({ rows }) => rows.size)
    .map(({ rows, columns }, i) => tableNode(rows, [...columns], headings[i] ? plain(headings[i].text) : ""));
}

// Adds a trace's points to a panel's rows (label → column → cells) and columns.
function fill({ rows, columns }, trace, layout) {
  const axis = (letter) => layout[(trace[`${letter}axis`] ?? letter).replace(/^./, `${letter}axis`)] ?? {};
  const named = plain(trace.name ?? "value");
  const put = (row, column, cell) => {
    columns.add(column);
    if (!rows.has(row)) rows.set(row, new Map());
    const cells = rows.get(row);
    cells.set(column, cells.has(column) ? `${cells.get(column)}; ${cell}` : cell);
  };
  if (trace.type === "heatmap") {
    for (const [i, line] of trace.z.entries())
      for (const [j, value] of line.entries())
        put(label(axis("y"), trace.y?.[i] ?? i), label(axis("x"), trace.x?.[j] ?? j), plain(trace.text?.[i]?.[j] ?? number(value)));
  } else if (trace.type === "scatterpolar") {
    const around = layout.polar?.angularaxis ?? {};
    new Map(trace.theta.map((theta, i) => [theta, trace.r[i]])).forEach((r, theta) => // the first point closes the line
      put(label(around, theta), named, number(r, layout.polar?.radialaxis)),
    );
  } else {
    const [across, upwards] = [axis("x"), axis("y")];
    const sideways = isCategorical(upwards, trace.y) && !isCategorical(across, trace.x); // values go to the right
    const [keys, values, keyAxis, valueAxis] = sideways ? [trace.y, trace.x, upwards, across] : [trace.x, trace.y, across, upwards];
    const spread = sideways ? trace.error_x : trace.error_y;
    const pointsHaveNames = Array.isArray(trace.text) && trace.hovertemplate?.includes("%{text}");
    for (const [i, key] of (keys ?? []).entries())
      put(pointsHaveNames ? plain(trace.text[i]) : label(keyAxis, key), named, number(values[i], valueAxis) + plusMinus(spread, i));
  }
}

// Ticks 0, 1, 2 … with texts stand for categories; marks may stand a little beside their tick.
function isCategorical(axis, values) {
  const ticked = axis.ticktext && axis.tickvals.every((place, i) => place === i);
  return Boolean(ticked) || typeof values?.[0] === "string";
}

function label(axis, key) {
  if (typeof key === "string") return plain(axis.ticktext?.[axis.tickvals?.indexOf(key)] ?? key);
  return isCategorical(axis) ? plain(axis.ticktext[Math.round(key)] ?? key) : number(key, axis);
}

function number(value, axis = {}) {
  if (typeof value !== "number") return "–";
  return value.toLocaleString("en", { maximumSignificantDigits: 4 }) + plain(axis.ticksuffix ?? "").replace(/^/, axis.ticksuffix ? "\u202f" : "");
}

function plusMinus(spread, i) {
  if (!spread?.array || typeof spread.array[i] !== "number") return "";
  const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 2 });
  const [up, down] = [digits(spread.array[i]), digits(spread.arrayminus?.[i] ?? spread.array[i])];
  return up === down ? ` ± ${up}` : ` +${up} −${down}`;
}

function tableNode(rows, columns, caption) {
  const table = document.createElement("table");
  if (caption) table.createCaption().textContent = caption;
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"), ...columns.map((column) => heading(column, "col")));
  const body = table.createTBody();
  for (const [name, cells] of rows) {
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
