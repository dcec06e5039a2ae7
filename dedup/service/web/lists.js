// The lists of the index: what is repeated most, of all sites or of one, and its pages.

const MOST = 500; // originals that are asked for
const LISTED = 20; // originals that are shown at once
const PAGES = 50; // pages that are asked for and shown at once
const ROUTES = { repeated: "#/index", pages: "#/pages" };

const sites = new Set(); // that were met, to choose from
const shown = { list: "", namespace: "", pages: null };
// Lists go on from one to the next: `ways` has how each one that was shown began.
const listed = { prefix: "", ways: [""], from: [0], total: null };

const listRoute = () => ROUTES[shown.list] || ROUTES.repeated;

// The site of a page id: the host of a URL, the top folder of a path, else none.
function siteOf(page) {
  if (page.includes("://")) return URL.canParse(page) ? new URL(page).hostname : "";
  const folders = page.split("/").slice(0, -1).filter((part) => !["", ".", ".."].includes(part));
  return folders[0] || "";
}

function offerSites(pages) {
  for (const page of pages) {
    const site = siteOf(page);
    if (site) sites.add(site);
  }
  $("sites").replaceChildren(...[...sites].sort().map((site) => h("option", { value: site })));
}

// ---- what is repeated most -------------------------------------------------------------------

// Its text, where that is at hand, and else where it stands, is what it is known by.
function repeatedElement(original) {
  const text = keptText(original);
  const place = h("span", {}, placeOf(original));
  return h(
    "li",
    { class: "most" },
    text === null ? h("p", {}, place) : h("p", { class: "quote", dir: "auto" }, shortened(text, 400)),
    h(
      "p",
      { class: "facts" },
      h("strong", {}, counted(original.seen, "repeat")),
      h("span", {}, `on ${counted(original.pages, "page")}`),
      text !== null && place,
      h("span", {}, `last seen ${utc(original.last_seen)}`),
    ),
  );
}

function showRepeated(originals, site) {
  const repeated = originals.filter(({ seen }) => seen > 0);
  offerSites(repeated.map(({ page }) => page));
  if (!repeated.length) {
    const where = site && [" of ", h("bdi", { class: "name" }, site)];
    $("repeated").replaceChildren(h("p", { class: "soft" }, "Nothing", where, " is repeated so far."));
    return;
  }
  const list = h("ol", { class: "cards" });
  const foot = h("div");
  const draw = (from) => {
    list.start = from + 1;
    list.replaceChildren(...repeated.slice(from, from + LISTED).map(repeatedElement));
    foot.replaceChildren(
      pager(from, LISTED, repeated.length, "original", (to) => {
        draw(to);
        $("lists").scrollIntoView({ block: "start" });
      }),
    );
  };
  $("repeated").replaceChildren(
    h(
      "p",
      { class: "soft" },
      repeated.length === MOST ? `The first ${number(MOST)}. ` : "",
      "A block on many pages of its site is furniture: a menu, a teaser, a notice.",
      repeated.every((original) => keptText(original) === null) && " Texts are not at hand: the index keeps none.",
    ),
    h("div", { class: "list" }, list),
    foot,
  );
  draw(0);
}

async function askRepeated() {
  const site = $("site").value.trim();
  const asked = new URLSearchParams({ limit: MOST, ...(site && { site }) });
  const { originals } = await ask("GET", `/v1/repeated?${asked}`);
  return () => showRepeated(originals, site);
}

// ---- pages -------------------------------------------------------------------------------------

function listedElement({ page, checked, originals, repeats }) {
  return h(
    "li",
    { class: "most of-index" },
    h("p", {}, h("a", { href: routeOf(page) }, h("bdi", { class: "name" }, page || "(no id)"))),
    h(
      "p",
      { class: "facts" },
      h("span", {}, counted(originals, "original")),
      h("span", {}, counted(repeats, "repeat")),
      checked && h("span", {}, `last checked ${utc(checked)}`),
    ),
  );
}

function showTotal(total) {
  listed.total = total;
  if (shown.pages) shown.pages();
}

function showPages({ pages, after }) {
  offerSites(pages.map(({ page }) => page));
  if (!pages.length) {
    const words = listed.prefix ? ["No page’s id begins with ", h("bdi", { class: "name" }, listed.prefix), "."] : "No pages so far.";
    shown.pages = null;
    $("pages").replaceChildren(h("p", { class: "soft" }, words));
    return;
  }
  const from = listed.from.at(-1);
  const go = async (ways, starts) => {
    Object.assign(listed, { ways, from: starts });
    if (await listAgain("pages")) $("lists").scrollIntoView({ block: "start" });
  };
  const forward = () => go([...listed.ways, after], [...listed.from, from + pages.length]);
  const back = () => go(listed.ways.slice(0, -1), listed.from.slice(0, -1));
  const count = h("span", {});
  shown.pages = () => {
    const all = listed.prefix || listed.total === null ? "" : ` of ${counted(listed.total, "page")}`;
    count.textContent = `${number(from + 1)} to ${number(from + pages.length)}${all}`;
  };
  shown.pages();
  const button = (words, enabled, onclick) => h("button", { type: "button", disabled: !enabled, onclick }, words);
  $("pages").replaceChildren(
    h("div", { class: "list" }, h("ol", { class: "cards", start: from + 1 }, pages.map(listedElement))),
    h(
      "div",
      { class: "pager", role: "group", "aria-label": "Pages of this list" },
      (from > 0 || after !== null) && button("Previous", from > 0, back),
      count,
      (from > 0 || after !== null) && button("Next", after !== null, forward),
    ),
  );
}

async function askPages() {
  const prefix = $("prefix").value;
  if (prefix !== listed.prefix) Object.assign(listed, { prefix, ways: [""], from: [0] });
  const asked = new URLSearchParams({ limit: PAGES, prefix, after: listed.ways.at(-1) });
  const found = await ask("GET", `/v1/pages?${asked}`);
  if (!found.pages.length && listed.ways.length > 1) {
    listed.ways.pop(); // what was there is forgotten
    listed.from.pop();
    return askPages();
  }
  return () => showPages(found);
}

// ---- both --------------------------------------------------------------------------------------

const ASK = { repeated: askRepeated, pages: askPages };
let asking = 0; // a later question outdates an earlier one

async function showList(name, { again = true } = {}) {
  if (shown.namespace !== namespace()) {
    Object.assign(listed, { prefix: "", ways: [""], from: [0], total: null });
    sites.clear();
    $("site").value = $("prefix").value = "";
  } else if (!again && shown.list === name) {
    return;
  }
  Object.assign(shown, { list: name, namespace: namespace() });
  for (const link of document.querySelectorAll("#lists a")) {
    const other = link.dataset.list;
    $(`${other}-list`).hidden = other !== name;
    if (other === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  asking += 1;
  const mine = asking;
  $(name).setAttribute("aria-busy", "true");
  try {
    const draw = await ASK[name]();
    if (mine === asking) draw();
  } finally {
    if (mine === asking) $(name).removeAttribute("aria-busy");
  }
}

// The list again, as it is asked for now. False: that failed, which is said.
async function listAgain(name) {
  showTrouble($("index-trouble"));
  try {
    await showList(name);
    return true;
  } catch (error) {
    showTrouble($("index-trouble"), error);
    return false;
  }
}

for (const [form, name] of [["by-site", "repeated"], ["by-prefix", "pages"]]) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    listAgain(name);
  });
}
