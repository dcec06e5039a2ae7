// Which view is shown, and what keys do. A place is a hash: `#/`, `#/index`, `#/pages`, `#/index/<page id>`.

const VIEWS = ["check", "index"];

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody wrote it by hand
  }
}

function show() {
  const [name, page] = location.hash.replace(/^#\/?/u, "").split("/");
  const view = name === "pages" ? "index" : VIEWS.includes(name) ? name : VIEWS[0];
  const entering = $(`${view}-view`).hidden;
  for (const each of VIEWS) $(`${each}-view`).hidden = each !== view;
  for (const link of document.querySelectorAll("#tabs a[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "index" ? "Index · dedup" : "dedup";
  document.body.dataset.ready = view;
  if (view === "index") {
    if (entering || page) $("forgotten").textContent = "";
    // A page is shown above the list from which one came.
    const list = name === "pages" ? "pages" : page !== undefined && shown.list ? shown.list : "repeated";
    showIndex(list, page && decoded(page));
  }
}

listenForKeys({
  "/": () => {
    location.hash = "#/";
    show();
    if (files.length) $("choose").focus();
    else $("content").focus();
  },
  j: () => stepRepeats(1),
  k: () => stepRepeats(-1),
  c: () => (location.hash = "#/"),
  i: () => (location.hash = "#/index"),
  p: () => (location.hash = "#/pages"),
  "?": () => $("help").showModal(),
  Escape: letGo,
});

window.addEventListener("hashchange", () => {
  if (!location.hash || location.hash.startsWith("#/")) show();
});
whenConnected.push(() => {
  showTrouble($("check-trouble"));
  if (!$("index-view").hidden) show();
});
show();
if (keyNeeded() && !held.key) askConnection();
