// Which view is shown, the keys, the theme. A place in the report is a hash: `#/groups/3?kind=near`.

const VIEWS = {
  "": ["overview", showOverview],
  groups: ["groups", showGroups],
  pages: ["pages", showPages],
  page: ["page", showPage],
};
const TITLE = document.title;

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
    await draw(root, rest, new URLSearchParams(words || ""), () => mine !== turn);
  } catch (error) {
    failed(error);
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

// The theme: as the system has it, until somebody chooses.
const THEMES = ["auto", "light", "dark"];

function remembered(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`dedup-${name}`, value);
    return localStorage.getItem(`dedup-${name}`);
  } catch {
    return value ?? null; // a browser that keeps nothing for files
  }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(h("span", { class: "wide" }, "Theme: "), theme);
  $("theme").setAttribute("aria-label", `Theme: ${theme}`);
  $("theme").dataset.theme = theme;
}

let theme = remembered("theme");
if (!THEMES.includes(theme)) theme = "auto";
setTheme(theme);
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  remembered("theme", theme);
  setTheme(theme);
});

// Single keys, unless somebody switched them off, types, or holds another key.
let keysOn = remembered("keys") !== "off";
$("keys-on").checked = keysOn;
$("keys-on").addEventListener("change", (event) => {
  keysOn = event.target.checked;
  remembered("keys", keysOn ? "on" : "off");
});
$("keys").addEventListener("click", () => $("help").showModal());

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

function goBack() {
  const back = document.querySelector("main > section:not([hidden]) .back a");
  if (back) location.hash = back.getAttribute("href");
}

const ACTIONS = {
  "/": () => {
    const search = document.querySelector("main > section:not([hidden]) #search");
    if (search) search.select();
    else {
      location.hash = "#/groups";
      wantsSearch = true;
    }
  },
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  o: () => (location.hash = "#/"),
  g: () => (location.hash = "#/groups"),
  p: () => (location.hash = "#/pages"),
  "?": () => $("help").showModal(),
  Escape: goBack,
};
let wantsSearch = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const types = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (types) {
    if (event.key === "Escape" && event.target.id === "search") event.target.blur();
    return;
  }
  const arrow = event.key.startsWith("Arrow");
  // Arrows scroll, but in the list they go from group to group.
  if (arrow && !event.target.closest("a.group")) return;
  if (!keysOn && !arrow && event.key !== "Escape") return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

window.addEventListener("hashchange", async () => {
  if (location.hash && !location.hash.startsWith("#/")) return;
  await show();
  if (wantsSearch) {
    wantsSearch = false;
    document.querySelector("main > section:not([hidden]) #search")?.focus();
  }
});

unpack("core").then((value) => {
  core = value;
  return show();
}, failed);
