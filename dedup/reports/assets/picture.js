// Pictures drawn from numbers. Each says in words what it shows, for those who do not see it.

const STRIP = 240; // columns of a strip

// A bar of a share.
function bar(share) {
  const full = h("span", { class: "full" });
  full.style.width = `${Math.max(share * 100, share > 0 ? 0.5 : 0)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, full);
}

// Shares of a whole, side by side: `[class, share]`.
function stack(parts, label) {
  const cells = parts.map(([name, share]) => {
    const cell = h("span", { class: name });
    cell.style.width = `${share * 100}%`;
    return cell;
  });
  return h("div", { class: "stack", role: "img", "aria-label": label }, cells);
}

// A page as a strip, from its first block at the left to its last: where its repeats stand. Of a long
// page each column is several blocks, and as high as the share of them that repeats.
function strip(blocks, marks, label) {
  const columns = Math.max(1, Math.min(blocks, STRIP));
  const counts = KINDS.map(() => new Uint32Array(columns));
  const sizes = new Uint32Array(columns);
  const columnOf = (position) => Math.min(columns - 1, Math.floor((position * columns) / blocks));
  for (let position = 0; position < blocks; position += 1) sizes[columnOf(position)] += 1;
  for (const [position, kind] of marks) counts[kind][columnOf(position)] += 1;
  const tops = new Float64Array(columns).fill(1);
  const paths = [0, 1, 2].map((kind) => {
    let path = "";
    for (let at = 0; at < columns; at += 1) {
      if (!counts[kind][at]) continue;
      const height = counts[kind][at] / sizes[at];
      tops[at] -= height;
      path += `M${at} ${tops[at].toFixed(3)}h1v${height.toFixed(3)}h-1z`;
    }
    return path && svg("path", { class: KINDS[kind], d: path });
  });
  return svg(
    "svg",
    {
      class: "strip",
      viewBox: `0 0 ${columns} 1`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    paths.filter(Boolean),
  );
}

function stripOfPage(page) {
  const { starts, order } = membersByPage();
  const marks = [];
  for (let at = starts[page]; at < starts[page + 1]; at += 1) {
    marks.push([core.members.position[order[at]], core.members.kind[order[at]]]);
  }
  const blocks = core.pages.blocks[page];
  const repeats = core.pages.repeats[page];
  return strip(blocks, marks, `${number(repeats)} of ${counted(blocks, "block")} repeat`);
}

// A table whose columns sort: `{title, value(row), show(row), text}`; `rows` are numbers of rows.
function sortable(rows, columns, state, size, noun) {
  const table = h("table");
  const foot = h("div");
  const draw = () => {
    const { value, text } = columns[state.column];
    const sign = state.down ? -1 : 1;
    const sorted = rows.slice().sort((one, two) => {
      const [a, b] = [value(one), value(two)];
      return sign * (text ? a.localeCompare(b) : a - b) || one - two;
    });
    const heads = columns.map((column, at) => {
      const mine = at === state.column;
      const sort = () => {
        state.down = mine ? !state.down : !column.text;
        state.column = at;
        state.from = 0;
        draw();
        table.querySelectorAll("thead button")[at].focus();
      };
      const arrow = h("span", { "aria-hidden": "true" }, mine ? (state.down ? " ↓" : " ↑") : "");
      return h(
        "th",
        {
          scope: "col",
          class: column.class,
          "aria-sort": mine ? (state.down ? "descending" : "ascending") : null,
        },
        h("button", { type: "button", onclick: sort }, column.title, arrow),
      );
    });
    const lines = sorted.slice(state.from, state.from + size).map((row) =>
      h(
        "tr",
        {},
        columns.map((column, at) =>
          h(
            at ? "td" : "th",
            {
              class: column.class,
              scope: at ? null : "row",
              "data-title": at ? column.title.toLowerCase() : null,
            },
            column.show(row),
          ),
        ),
      ),
    );
    table.replaceChildren(h("thead", {}, h("tr", {}, heads)), h("tbody", {}, lines));
    const go = (from) => {
      state.from = from;
      draw();
      table.scrollIntoView({ block: "start" });
    };
    const paged = rows.length > size;
    foot.replaceChildren(...(paged ? [pager(state.from, size, rows.length, noun, go)] : []));
  };
  draw();
  return h("div", { class: "table" }, table, foot);
}
