// One page: its blocks in order, the repeats marked in place and linked to their originals.

const BLOCKS = 250;

let onlyRepeats = false;

// Ids are other people's: only what is plainly a web address becomes a link out of the report.
function outside(name) {
  if (!/^https?:\/\//u.test(name)) return null;
  return h("a", { href: name, rel: "noopener noreferrer nofollow", target: "_blank" }, "Open the page itself");
}

function originalLink([, kind, share, page, position, group], here) {
  const name = page === here ? "this page" : h("bdi", { class: "name" }, pageName(page));
  const words = ["block ", String(position), " of ", name];
  const has = page < core.views.at(-1);
  return [
    kindLabel(kind, shareOf(kind, share)),
    h(
      "span",
      {},
      kind === 3 ? "contains " : "of ",
      has ? h("a", { href: `#/page/${page}/${position}` }, words) : words,
    ),
    group >= 0 && h("a", { href: `#/groups/${group}` }, "group"),
  ];
}

// The groups whose originals stand on a page, by position.
function originalsOn(page) {
  const found = new Map();
  core.groups.page.forEach((other, group) => {
    if (other === page) found.set(core.groups.position[group], group);
  });
  return found;
}

function blockElement(page, position, text, mark, group, chosen) {
  const note = mark
    ? originalLink(mark, page)
    : group !== undefined && [
        h("span", { class: "kind rest" }, "original"),
        h("a", { href: `#/groups/${group}` }, counted(core.groups.repeats[group], "repeat")),
      ];
  return h(
    "li",
    {
      id: `block-${position}`,
      value: position,
      class: [mark ? `repeat ${KINDS[mark[1]]}` : note ? "original" : "", position === chosen ? "here" : ""].join(" ").trim() || null,
      tabindex: mark || position === chosen ? "-1" : null,
    },
    h("span", { class: "position", "aria-hidden": "true" }, String(position)),
    note && h("p", { class: "place" }, note),
    h("p", { class: "text", dir: "auto" }, text ?? "(left out to keep this file small)"),
  );
}

async function showPage(root, [row, at], _query, isStale) {
  const page = Number(row);
  const view = await pageView(page);
  if (isStale()) return;
  if (!view) {
    root.replaceChildren(h("p", {}, "This page has no view in this file."));
    return;
  }
  const chosen = at === undefined ? null : Number(at);
  const marks = new Map(view.marks.map((mark) => [mark[0], mark]));
  const originals = originalsOn(page);
  const { blocks, repeats, characters, wasted } = core.pages;
  const list = h("ol", { class: "blocks" });
  const before = h("div");
  const after = h("div");
  let rows = [];
  let [from, to] = [0, 0];

  const elements = async (positions) => {
    const texts = await textsOf(positions.map((position) => view.texts[position]));
    return positions.map((position, place) =>
      blockElement(page, position, texts[place], marks.get(position), originals.get(position), chosen),
    );
  };
  const edges = () => {
    const more = (words, act) => h("button", { type: "button", onclick: act }, words);
    before.replaceChildren(
      from ? more(`Show ${counted(Math.min(BLOCKS, from), "block")} before`, async () => {
        const start = Math.max(0, from - BLOCKS);
        list.prepend(...(await elements(rows.slice(start, from))));
        from = start;
        edges();
      }) : "",
    );
    const left = rows.length - to;
    after.replaceChildren(
      left ? more(`Show ${counted(Math.min(BLOCKS, left), "block")} more`, async () => {
        list.append(...(await elements(rows.slice(to, to + BLOCKS))));
        to = Math.min(rows.length, to + BLOCKS);
        edges();
      }) : "",
    );
  };
  const draw = async () => {
    rows = view.texts.map((_, position) => position);
    if (onlyRepeats) rows = rows.filter((position) => marks.has(position) || position === chosen);
    const place = chosen === null ? 0 : Math.max(0, rows.indexOf(chosen));
    from = place < BLOCKS ? 0 : place - 20;
    to = Math.min(rows.length, from + BLOCKS);
    list.replaceChildren(...(await elements(rows.slice(from, to))));
    edges();
  };
  await draw();
  if (isStale()) return;
  const share = percent(wasted[page] / (characters[page] || 1));
  const only = h("input", { type: "checkbox", checked: onlyRepeats });
  only.addEventListener("change", () => {
    onlyRepeats = only.checked;
    draw();
  });
  root.replaceChildren(
    h("p", { class: "back always" }, h("a", { href: "#/pages" }, "All pages")),
    h("h1", { class: "page-name", tabindex: "-1" }, h("bdi", {}, core.pages.name[page])),
    h(
      "p",
      { class: "soft" },
      `${number(repeats[page])} of ${counted(blocks[page], "block")} repeat, ${share} of the text. `,
      outside(core.pages.name[page]),
    ),
    strip(blocks[page], view.marks, "Where on the page its repeats stand"),
    h("p", { class: "tools" }, h("label", {}, only, " Repeats only")),
    before,
    list,
    after,
  );
  const target = chosen === null ? null : document.getElementById(`block-${chosen}`);
  if (target) {
    target.scrollIntoView({ block: "center" });
    target.focus({ preventScroll: true });
  } else {
    window.scrollTo(0, 0);
  }
}
