// Which view is shown, and what keys do there. A place in the report is a hash: `#/groups/3?kind=near`.

const VIEWS = {
  "": ["overview", showOverview],
  groups: ["groups", showGroups],
  pages: ["pages", showPages],
  page: ["page", showPage],
};
const TITLE = document.title;

const opened = unpack("core").then((value) => {
  core = value;
});
let turn = 0;

async function show() {
  const [path, words] = location.hash.replace(/^#\/?/u, "").split("?");
  const [name, ...rest] = path.split("/");
  const [id, draw] = VIEWS[name] || VIEWS[""];
  turn += 1;
  const mine = turn;
  const root = $(`${id}-view`);
  const entering = root.hidden;
  try {
    await opened;
    await draw(root, rest, new URLSearchParams(words || ""), () => mine !== turn);
  } catch (error) {
    failed(error);
    handOver(null);
    return;
  }
  if (mine !== turn) return;
  for (const [view] of Object.values(VIEWS)) $(`${view}-view`).hidden = view !== id;
  $("head").hidden = id !== "overview";
  const tab = id === "page" ? "pages" : id;
  for (const link of document.querySelectorAll("#tabs a")) {
    if (link.dataset.view === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = id === "overview" ? TITLE : `${tab[0].toUpperCase()}${tab.slice(1)} · ${TITLE}`;
  if (entering && id !== "page") window.scrollTo(0, 0);
  if (id === "page") $("page-view").querySelector(".here")?.scrollIntoView({ block: "center" });
  if (id === "groups" && rest.length) root.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  handOver(root.querySelector("#search"));
  document.body.dataset.ready = String(mine);
}

function failed(error) {
  const old = !("DecompressionStream" in window);
  $("trouble").textContent = old
    ? "This browser is too old to open the report: use one of 2023 or later."
    : `The report cannot be shown: ${error.message}. Is the file whole?`;
  $("trouble").hidden = false;
}

function replaceRoute(hash) {
  history.replaceState(null, "", hash);
  show();
}

function step(by) {
  const view = document.querySelector("main > section:not([hidden])");
  if (view.id === "groups-view") {
    const links = [...view.querySelectorAll(".list a.group")];
    const at = links.findIndex((link) => link.hasAttribute("aria-current"));
    const shown = listed.groups;
    const place = at < 0 ? (by > 0 ? 0 : shown.length - 1) : listed.from + at + by;
    if (place < 0 || place >= shown.length) return;
    const suffix = listed.key ? `?${listed.key}` : "";
    replaceRoute(`#/groups/${shown[place]}${suffix}`);
    return;
  }
  const stops = [...view.querySelectorAll(".blocks .repeat, a.group, tbody a")];
  if (!stops.length) return;
  const at = stops.indexOf(document.activeElement);
  const next = stops[at < 0 ? (by > 0 ? 0 : stops.length - 1) : at + by];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "center" });
}

// Arrows scroll, but in the list they go from group to group.
function stepInList(event, by) {
  return event.target.closest("a.group") ? step(by) : false;
}

function goBack() {
  const back = document.querySelector("main > section:not([hidden]) .back a");
  if (back) location.hash = back.getAttribute("href");
}

const ACTIONS = {
  "/": () => {
    const search = document.querySelector("main > section:not([hidden]) #search");
    if (search) search.select();
    else {
      typeAhead();
      history.pushState(null, "", "#/groups");
      show();
    }
  },
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: (event) => stepInList(event, 1),
  ArrowUp: (event) => stepInList(event, -1),
  o: () => (location.hash = "#/"),
  g: () => (location.hash = "#/groups"),
  p: () => (location.hash = "#/pages"),
  "?": () => $("help").showModal(),
  Escape: goBack,
};

listenForKeys(ACTIONS);

window.addEventListener("hashchange", () => {
  if (!location.hash || location.hash.startsWith("#/")) show();
});

show();
