// The numbers behind a chart as text: one table for each of its panels, made from the very data that are drawn.
// A point is {row, place (what rows are sorted by), column, cell, across (what rows stand for), isNumeric (its row is)}.

function plain(html) {
  const parsed = new DOMParser().parseFromString(String(html).replaceAll("<br>", ", "), "text/html");
  return parsed.body.textContent.trim();
}

function tables({ data, layout }) {
  const panels = new Map();
  for (const trace of data) {
    if (trace.hoverinfo === "skip") continue; // lines and bands that only guide the eye
    const panel = trace.xaxis ?? "x";
    panels.set(panel, [...(panels.get(panel) ?? []), ...points(trace, layout)]);
  }
  const headings = layout.annotations.filter((annotation) => annotation.name === "heading");
  return [...panels.values()]
    .filter((found) => found.length)
    .map((found, i) => tableNode(areApart(found) ? inPairs(found) : inRows(found), plain(headings[i]?.text ?? "")));
}

function title(axis) {
  return plain(axis.title?.text ?? "");
}

function axisOf(layout, name) {
  return layout[name.replace(/^./, "$&axis")] ?? {}; // "x2" is described by xaxis2
}

function points(trace, layout) {
  const [across, upwards] = [axisOf(layout, trace.xaxis ?? "x"), axisOf(layout, trace.yaxis ?? "y")];
  const named = plain(trace.name ?? "value");
  if (trace.type === "heatmap")
    return trace.z.flatMap((line, i) =>
      line.map((value, j) => ({
        row: label(upwards, trace.y[i]),
        place: trace.y[i],
        column: label(across, trace.x[j]),
        cell: plain(trace.text?.[i][j] ?? number(value)),
        across: title(upwards),
      })),
    );
  if (trace.type === "scatterpolar") {
    const { angularaxis, radialaxis } = layout.polar;
    const around = new Map(trace.theta.map((theta, i) => [theta, trace.r[i]])); // closes with the point it opened with
    return [...around].map(([theta, r], i) => ({
      row: label(angularaxis, theta),
      place: i,
      column: named,
      cell: number(r, radialaxis),
      across: title(angularaxis),
    }));
  }
  const sideways = isCategorical(upwards) && !isCategorical(across); // values go to the right
  const [keys, values, keyAxis, valueAxis] = sideways ? [trace.y, trace.x, upwards, across] : [trace.x, trace.y, across, upwards];
  const spread = sideways ? trace.error_x : trace.error_y;
  const pointsHaveNames = Array.isArray(trace.text) && trace.hovertemplate?.includes("%{text}");
  const category = (key) => plain(keyAxis.ticktext[Math.round(key)].split("<br>")[0]);
  const parts = named.split(", ");
  const onlyCategory = isCategorical(keyAxis) && new Set(keys.map(category)).size === 1 ? category(keys[0]) : null;
  const own = parts.filter((part) => part !== onlyCategory); // what its row does not say already
  return keys.map((key, i) => {
    const name = pointsHaveNames ? plain(trace.text[i]).split(", ").filter((part) => !parts.includes(part)) : [];
    return {
      row: name.length && isCategorical(keyAxis) ? [category(key), ...name].join(", ") : label(keyAxis, key),
      place: isCategorical(keyAxis) ? Math.round(key) : key,
      column: (pointsHaveNames ? own[0] : own.join(", ")) || title(valueAxis) || "value",
      cell: number(values[i], valueAxis) + plusMinus(spread, i),
      across: title(keyAxis),
      isNumeric: !isCategorical(keyAxis),
    };
  });
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

// Whether the columns have hardly a row in common.
function areApart(found) {
  const sizes = new Map();
  for (const { column } of found) sizes.set(column, (sizes.get(column) ?? 0) + 1);
  const rows = new Set(found.map(({ row }) => row));
  return found.every(({ isNumeric }) => isNumeric) && rows.size > 1.5 * Math.max(...sizes.values());
}

// → lines of cells, the first of which are headings: a row for each place.
function inRows(found) {
  const columns = [...new Set(found.map(({ column }) => column))];
  const rows = new Map();
  for (const { row, place, column, cell } of found) {
    if (!rows.has(row)) rows.set(row, { place, cells: new Map() });
    const { cells } = rows.get(row);
    cells.set(column, cells.has(column) ? `${cells.get(column)}; ${cell}` : cell);
  }
  const sorted = [...rows].sort(([, a], [, b]) => a.place - b.place);
  const lines = sorted.map(([row, { cells }]) => [row, ...columns.map((column) => cells.get(column) ?? "–")]);
  return [[found[0].across, ...columns], ...lines];
}

// Likewise, but where there is one point of each: a row for each; else a column of places beside each column of values.
function inPairs(found) {
  const columns = new Map();
  for (const { row, column, cell } of found) columns.set(column, [...(columns.get(column) ?? []), [row, cell]]);
  const across = found[0].across || "at";
  if (columns.size === found.length) return [["", across, "value"], ...[...columns].map(([column, [pair]]) => [column, ...pair])];
  const longest = Math.max(...[...columns.values()].map((pairs) => pairs.length));
  const head = [...columns.keys()].flatMap((column) => [`${column}: ${across}`, column]);
  const lines = Array.from({ length: longest }, (_, i) => [...columns.values()].flatMap((pairs) => pairs[i] ?? ["", ""]));
  return [["", ...head], ...lines.map((line, i) => [String(i + 1), ...line])];
}

function tableNode([head, ...lines], caption) {
  const table = document.createElement("table");
  if (caption) table.createCaption().textContent = caption;
  table.createTHead().insertRow().append(...head.map((text) => heading(text, "col")));
  const body = table.createTBody();
  for (const [name, ...cells] of lines) {
    const row = body.insertRow();
    row.append(heading(name, "row"));
    for (const cell of cells) row.insertCell().textContent = cell;
  }
  return table;
}

function heading(text, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}
