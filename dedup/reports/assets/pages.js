// The pages as a list: how much of each repeats, and where on it.

function pagesTable(rows, state, size) {
  const { characters, wasted, repeats } = core.pages;
  const share = (page) => wasted[page] / (characters[page] || 1);
  return sortable(
    rows,
    [
      {
        title: "Page",
        text: true,
        class: "page",
        value: pageName,
        show: (page) => {
          const name = h("bdi", { class: "name" }, pageName(page));
          const has = page < core.views.at(-1);
          return [has ? h("a", { href: `#/page/${page}` }, name) : name, stripOfPage(page)];
        },
      },
      {
        title: "Repeated text",
        class: "number",
        value: (page) => wasted[page],
        show: (page) => number(wasted[page]),
      },
      {
        title: "Share",
        class: "share",
        value: share,
        show: (page) => [bar(share(page)), h("span", {}, percent(share(page)))],
      },
      {
        title: "Repeats",
        class: "number wide",
        value: (page) => repeats[page],
        show: (page) => number(repeats[page]),
      },
    ],
    state,
    size,
    "page",
  );
}

const listedPages = () => Array.from({ length: core.listed }, (_, page) => page);

const pagesState = { column: 1, down: true, from: 0, q: "" };

async function showPages(root) {
  const all = listedPages();
  const body = h("div", { class: "card" });
  const status = h("p", { class: "soft count", role: "status" });
  const draw = () => {
    const wanted = pagesState.q.trim().toLowerCase();
    const rows = wanted ? all.filter((page) => core.pages.name[page].toLowerCase().includes(wanted)) : all;
    status.textContent =
      rows.length === all.length ? counted(all.length, "page") : `${number(rows.length)} of ${counted(all.length, "page")}`;
    body.replaceChildren(rows.length ? pagesTable(rows, pagesState, 50) : "No page is named like that.");
  };
  const type = (event) => {
    pagesState.q = event.target.value;
    pagesState.from = 0;
    draw();
  };
  draw();
  root.replaceChildren(
    h("h1", { class: "hidden" }, "Pages"),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h(
        "label",
        { class: "search" },
        h("span", {}, "Search"),
        h("input", { id: "search", type: "search", placeholder: "Part of a page’s name", value: pagesState.q, oninput: type }),
      ),
    ),
    status,
    h("p", { class: "soft note" }, "A strip is a page from its first block to its last; strokes are repeats."),
    body,
  );
}
