// Which view is shown, and what keys do.

const VIEWS = { "": "check", index: "index" };

function show() {
  const name = location.hash.replace(/^#\/?/u, "");
  const view = VIEWS[name] || "check";
  for (const each of Object.values(VIEWS)) $(`${each}-view`).hidden = each !== view;
  for (const link of document.querySelectorAll("#tabs a[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "index" ? "Index · dedup" : "dedup";
  document.body.dataset.ready = view;
  if (view === "index") showIndex();
}

listenForKeys({
  "/": () => {
    location.hash = "#/";
    if (files.length) $("choose").focus();
    else $("content").focus();
  },
  j: () => stepRepeats(1),
  k: () => stepRepeats(-1),
  c: () => (location.hash = "#/"),
  i: () => (location.hash = "#/index"),
  "?": () => $("help").showModal(),
  Escape: letGo,
});

window.addEventListener("hashchange", () => {
  if (!location.hash || location.hash.startsWith("#/")) show();
});
whenConnected.push(() => {
  showTrouble($("check-trouble"));
  if (!$("index-view").hidden) showIndex();
});
show();
if (keyNeeded() && !held.key) askConnection();
