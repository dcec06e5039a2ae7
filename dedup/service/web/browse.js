// What the index holds: how much, and one page of it, which can be forgotten. Its lists: lists.js.

const SETTINGS = {
  threshold: "A block is near from a similarity of",
  min_words: "It is judged from so many words",
  excerpt_containment: "It is an excerpt when such a share of it stands in its original",
  excerpt_shingles: "and so many word pairs at least",
  excerpt_ratio: "and it has no more than such a share of the original’s",
  keep: "What is kept of each original",
  expire_after: "An original is dropped when it was not seen for so many seconds",
  lsh: "How candidates are found",
};

const utc = (time) => time.replace("T", " ").replace("Z", " UTC");

function totalElement(title, value) {
  return h("div", {}, h("dt", {}, title), h("dd", {}, value));
}

function statsElements({ url, pages, originals, repeats, bytes, disk_bytes: disk }) {
  return [
    h("p", { class: "soft" }, "Namespace ", h("bdi", {}, namespace()), " of ", h("bdi", { class: "name" }, url)),
    h(
      "dl",
      { class: "totals" },
      totalElement("Pages", number(pages)),
      totalElement("Originals", number(originals)),
      totalElement("Repeats", number(repeats)),
      totalElement("Memory", fileSize(bytes)),
      disk > 0 && totalElement("On disk", fileSize(disk)),
    ),
  ];
}

function settingElement([name, value]) {
  const shown = value === null ? "not set" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return h("div", {}, h("dt", {}, SETTINGS[name] || "", " ", h("code", {}, name)), h("dd", {}, shown));
}

const routeOf = (page) => `#/index/${encodeURIComponent(page.toWellFormed ? page.toWellFormed() : page)}`;

// The text of an original: where the index keeps texts, or this tab had its page remembered.
function keptText({ text, page, position }) {
  return text ?? rememberedTexts.get(`${namespace()} ${page}`)?.[position] ?? null;
}

function textOrNone(original) {
  const text = keptText(original);
  if (text === null) return h("p", { class: "soft" }, "Its text is not at hand: the index keeps none.");
  return h("p", { class: "quote", dir: "auto" }, shortened(text, 400));
}

function placeOf({ page, position }, here) {
  if (page === here) return [`block ${number(position)} of this page`];
  return [`block ${number(position)} of `, h("a", { href: routeOf(page) }, h("bdi", { class: "name" }, page))];
}

function blockEntryElement({ position, owned, original }, page) {
  return h(
    "li",
    {},
    h(
      "p",
      { class: "place" },
      h("span", { class: "kind rest" }, owned ? "original" : "repeat"),
      position === null ? "" : h("span", {}, `block ${number(position)}`),
      owned
        ? h("span", {}, original.seen ? `repeated ${counted(original.seen, "time")} on ${counted(original.pages, "page")}` : "not repeated")
        : h("span", {}, "of ", placeOf(original, page)),
    ),
    textOrNone(original),
  );
}

function showEntry({ page, checked, blocks }) {
  const owned = blocks.filter((block) => block.owned).length;
  const forgetButton = h("button", { type: "button", class: "danger", onclick: () => askToForget(page) }, "Forget this page …");
  const list = h("ol", { class: "members" });
  const foot = h("div");
  const draw = (from) => {
    list.replaceChildren(...blocks.slice(from, from + BLOCKS).map((block) => blockEntryElement(block, page)));
    foot.replaceChildren(blocks.length > BLOCKS ? pager(from, BLOCKS, blocks.length, "block", draw) : "");
  };
  draw(0);
  $("entry").replaceChildren(
    h(
      "div",
      { class: "card entry" },
      h("h2", { tabindex: "-1" }, h("bdi", { class: "name" }, page)),
      h(
        "p",
        { class: "soft" },
        `${counted(owned, "original")} of its own, ${counted(blocks.length - owned, "repeat")}.`,
        checked ? ` Last checked ${utc(checked)}.` : "",
      ),
      list,
      foot,
      h("p", { class: "actions" }, forgetButton, h("a", { href: listRoute() }, "Close")),
    ),
  );
  $("entry").querySelector("h2").focus();
}

let browsed = 0; // a later question outdates an earlier one

// Totals, settings and a list, or a page above the list that is there.
async function showIndex(list, page) {
  browsed += 1;
  const mine = browsed;
  const drawn = async (question, draw) => {
    const answer = await question;
    if (mine === browsed) draw(answer);
  };
  showTrouble($("index-trouble"));
  $("entry").replaceChildren();
  $("find-id").value = page || "";
  try {
    await Promise.all([
      drawn(ask("GET", "/v1/stats"), showStats),
      page && drawn(ask("GET", `/v1/pages/${encodeURIComponent(page)}`), showEntry),
      showList(list, { again: !page }),
    ]);
  } catch (error) {
    if (mine === browsed) showTrouble($("index-trouble"), error);
  }
}

function showStats({ settings, ...stats }) {
  $("stats").replaceChildren(...statsElements(stats));
  showTotal(stats.pages);
  $("settings").replaceChildren(
    h("h2", {}, "Settings"),
    h("dl", { class: "card pairs" }, Object.entries(settings).map(settingElement)),
  );
}

function askToForget(page) {
  $("confirm-page").textContent = page;
  $("confirm-namespace").textContent = namespace();
  $("confirm").returnValue = "no";
  $("confirm").showModal();
}

async function forget(page) {
  try {
    await ask("DELETE", `/v1/pages/${encodeURIComponent(page)}`);
  } catch (error) {
    showTrouble($("index-trouble"), error);
    return;
  }
  rememberedTexts.delete(`${namespace()} ${page}`);
  location.hash = listRoute();
  $("forgotten").replaceChildren(h("bdi", { class: "name" }, page), " is forgotten.");
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const route = routeOf($("find-id").value);
  if (location.hash === route) show();
  else location.hash = route;
});
$("confirm").addEventListener("close", () => {
  if ($("confirm").returnValue === "yes") forget($("confirm-page").textContent);
});
