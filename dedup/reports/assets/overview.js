// The first view: how much repeats, of which kind, on which sites and pages, and what was left out.

const FIRST = 6;

function legend() {
  const { summary, wasted } = core;
  const all = core.pages.characters.reduce((sum, value) => sum + value, 0);
  // Pages beyond the list are not in the sum: the share is the one that was computed of all.
  const repeated = KINDS.slice(0, 3).reduce((sum, kind) => sum + (wasted[kind] || 0), 0);
  const whole = summary.repeated_share ? repeated / summary.repeated_share : all || 1;
  const parts = KINDS.slice(0, 3).map((kind) => [kind, (wasted[kind] || 0) / whole]);
  const words = parts
    .filter(([kind]) => summary[kind])
    .map(([kind, share]) => `${counted(summary[kind], "block")} ${kind}, ${percent(share)}`);
  const rest = `${100 - Math.floor(summary.repeated_share * 100 + 1e-9)}%`;
  return [
    stack(parts, `Of the text: ${words.join("; ") || "nothing repeats"}`),
    h(
      "ul",
      { class: "legend" },
      parts
        .filter(([kind]) => summary[kind])
        .map(([kind, share]) =>
          h(
            "li",
            {},
            h("a", { href: `#/groups?kind=${kind}`, class: `kind ${kind}` }, kind),
            ` ${counted(summary[kind], "block")}, ${percent(share)} of the text`,
          ),
        ),
      h("li", {}, h("span", { class: "kind rest" }, "the rest"), ` ${rest}`),
    ),
  ];
}

function totals() {
  const { summary } = core;
  const cells = [
    ["Pages", summary.pages],
    ["Blocks", summary.blocks],
    ["Repeats", summary.exact + summary.near + summary.excerpt],
    ["Groups", core.all.groups],
    ["Too short to judge", summary.skipped],
  ];
  if (core.all.extensions) cells.push(["Longer than an original", core.all.extensions]);
  return h(
    "dl",
    { class: "totals" },
    cells.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, number(value)))),
  );
}

const siteState = { column: 1, down: true, from: 0 };

function sites() {
  const { sites: table } = core;
  if (table.name.length < 2) return [];
  const rows = table.name.map((_, row) => row);
  return section(
    "Sites",
    sortable(
      rows,
      [
        {
          title: "Site",
          text: true,
          value: siteName,
          show: (row) => h("a", { href: `#/groups?site=${row}`, dir: "auto" }, siteName(row)),
        },
        {
          title: "Repeated text",
          class: "number",
          value: (row) => table.wasted[row],
          show: (row) => number(table.wasted[row]),
        },
        {
          title: "Share",
          class: "share long",
          value: (row) => table.wasted[row] / (table.characters[row] || 1),
          show: (row) => {
            const share = table.wasted[row] / (table.characters[row] || 1);
            return [bar(share), h("span", {}, percent(share))];
          },
        },
        {
          title: "Repeats",
          class: "number",
          value: (row) => table.repeats[row],
          show: (row) => number(table.repeats[row]),
        },
        {
          title: "Pages",
          class: "number wide",
          value: (row) => table.pages[row],
          show: (row) => number(table.pages[row]),
        },
      ],
      siteState,
      12,
      "site",
    ),
    "Characters in repeats, and their share of the site’s text.",
  );
}

function section(title, content, note) {
  return [
    h("h2", {}, title),
    note ? h("p", { class: "soft note" }, note) : null,
    h("div", { class: "card" }, content),
  ];
}

async function costliest() {
  const count = Math.min(FIRST, core.groups.text.length);
  if (!count) return [];
  const rows = Array.from({ length: count }, (_, group) => group);
  const texts = await Promise.all(rows.map(groupText));
  const items = rows.map((group) => h("li", {}, groupCard(group, texts[group], "")));
  return section("What repeats most", [
    h("ol", { class: "cards" }, items),
    core.all.groups > count &&
      h("p", { class: "more" }, h("a", { href: "#/groups" }, `All ${counted(core.all.groups, "group")}`)),
  ]);
}

function worstPages() {
  const rows = listedPages().filter((row) => core.pages.wasted[row]);
  if (core.all.pages < 2 || !rows.length) {
    if (!core.views.at(-1)) return [];
    return section("The page", [stripOfPage(0), h("p", { class: "more" }, h("a", { href: "#/page/0" }, "Read it with its repeats marked"))]);
  }
  return section("Pages that repeat most", [
    pagesTable(rows.slice(0, 8), { column: 1, down: true, from: 0 }, 8),
    h("p", { class: "more" }, h("a", { href: "#/pages" }, `All ${counted(core.all.pages, "page")}`)),
  ], "A strip is a page from its first block to its last; strokes are repeats.");
}

function errors() {
  if (!core.errors.length) return [];
  const shown = core.errors.map(([page, error]) =>
    h("li", { dir: "auto" }, error.includes(page) ? error : [h("b", {}, page), `: ${error}`]),
  );
  const more = core.summary.errors - core.errors.length;
  if (more > 0) shown.push(h("li", {}, `and ${number(more)} more`));
  return section(
    `${counted(core.summary.errors, "page")} could not be judged`,
    h("ul", { class: "errors" }, shown),
  );
}

// What the budgets of the file left out. Never silently.
function leftOut() {
  const { groups, members, all, summary } = core;
  const held = members.page.length;
  const repeats = summary.exact + summary.near + summary.excerpt;
  const { listed } = core;
  const views = core.views.at(-1);
  const notes = [
    all.groups > groups.text.length &&
      `${number(all.groups - groups.text.length)} of ${counted(all.groups, "group")}, those with least text`,
    repeats > held && `${number(repeats - held)} of ${counted(repeats, "repeat")}`,
    all.pages > listed && `${number(all.pages - listed)} of ${counted(all.pages, "page")}`,
    all.pages > views &&
      `the blocks of ${number(all.pages - views)} of ${counted(all.pages, "page")}, which have no view of their own`,
    all.sites > core.sites.name.length &&
      `${number(all.sites - core.sites.name.length)} of ${counted(all.sites, "site")}`,
    core.lost && `${counted(core.lost, "text")}`,
    core.cut && `the ends of ${counted(core.cut, "very long text")}`,
  ].filter(Boolean);
  if (!notes.length) return [];
  return section("Left out to keep this file small", [
    h("ul", { id: "left-out" }, notes.map((note) => h("li", {}, note))),
    h("p", { class: "soft" }, "dedup check --format jsonl (or csv) has all; or check fewer pages at a time, or ask for some kinds alone (--kind, --scope, --min-similarity)."),
  ]);
}

async function showOverview(root) {
  root.replaceChildren(
    ...[legend(), totals(), sites(), await costliest(), worstPages(), errors(), leftOut()].flat(3).filter(Boolean),
  );
}
