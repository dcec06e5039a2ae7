// The groups as a list: filtered, searched, sorted, a page of them at a time.

const LISTED = 40;

const ORDERS = {
  text: ["most repeated text", (group) => -core.groups.wasted[group]],
  repeats: ["most repeats", (group) => -core.groups.repeats[group]],
  pages: ["most pages", (group) => -core.groups.pages[group]],
  alike: ["least alike", null],
};

// For each group: bits of the kinds and scopes of its repeats, and how unlike the least alike is.
let traits = null;

function groupTraits() {
  if (traits) return traits;
  const count = core.groups.text.length;
  traits = { kinds: new Uint8Array(count), scopes: new Uint8Array(count), least: new Uint16Array(count) };
  for (let group = 0; group < count; group += 1) {
    const [first, end] = membersOf(group);
    let least = 1000;
    for (let member = first; member < end; member += 1) {
      traits.kinds[group] |= 1 << core.members.kind[member];
      traits.scopes[group] |= 1 << core.members.scope[member];
      least = Math.min(least, core.members.share[member]);
    }
    traits.least[group] = least;
  }
  return traits;
}

function onSite(group, site) {
  const { site: siteOf } = core.pages;
  const [first, end] = membersOf(group);
  for (let member = first; member < end; member += 1) {
    if (siteOf[core.members.page[member]] === site) return true;
  }
  return siteOf[core.groups.page[group]] === site;
}

// The groups that a query asks for, in its order.
async function foundGroups(query) {
  const { kinds, scopes, least } = groupTraits();
  const kind = 1 << KINDS.indexOf(query.get("kind"));
  const scope = 1 << SCOPE_NAMES.indexOf(query.get("scope"));
  const site = query.has("site") ? Number(query.get("site")) : null;
  const wanted = (query.get("q") || "").trim().toLowerCase();
  const lowered = wanted ? await searchTexts() : null;
  const named = wanted ? core.pages.name.map((name) => name.toLowerCase().includes(wanted)) : null;
  const says = (group) => {
    if (lowered[textRow(group)]?.includes(wanted) || named[core.groups.page[group]]) return true;
    const [first, end] = membersOf(group);
    for (let member = first; member < end; member += 1) {
      if (named[core.members.page[member]]) return true;
    }
    return false;
  };
  const found = [];
  for (let group = 0; group < core.groups.text.length; group += 1) {
    if (query.has("kind") && !(kinds[group] & kind)) continue;
    if (query.has("scope") && !(scopes[group] & scope)) continue;
    if (site !== null && !onSite(group, site)) continue;
    if (wanted && !says(group)) continue;
    found.push(group);
  }
  const order = query.get("sort") || "text";
  if (order !== "text" && ORDERS[order]) {
    const value = ORDERS[order][1] || ((group) => least[group]);
    found.sort((one, two) => value(one) - value(two) || one - two);
  }
  return found;
}

const SCOPE_NAMES = ["page", "site", "other"];

function onPages(group) {
  return core.only === null ? ` on ${counted(core.groups.pages[group], "page")}` : "";
}

// A group in a few lines, as a link to all of it.
function groupCard(group, text, query, current) {
  const { repeats, wasted } = core.groups;
  const { kinds } = groupTraits();
  const labels = [0, 1, 2].filter((kind) => kinds[group] & (1 << kind)).map((kind) => kindLabel(kind));
  return h(
    "a",
    {
      class: "group",
      href: `#/groups/${group}${query}`,
      "data-group": group,
      "aria-current": current ? "true" : null,
    },
    h("span", { class: "quote", dir: "auto" }, shortened(text, 220)),
    h(
      "span",
      { class: "facts" },
      labels,
      h("span", {}, `${counted(repeats[group], "repeat")}${onPages(group)}`),
      h("span", {}, `${counted(wasted[group], "character")}`),
    ),
  );
}

function choiceOf(label, name, choices, query, change) {
  const options = choices.map(([value, words]) =>
    h("option", { value, selected: (query.get(name) || "") === value }, words),
  );
  return h(
    "label",
    {},
    h("span", {}, label),
    h("select", { name, onchange: (event) => change(name, event.target.value) }, options),
  );
}

function filters(query, change) {
  const bySites = core.sites.name.map((_, row) => row);
  let due = 0;
  const type = (event) => {
    clearTimeout(due);
    const { value } = event.target;
    due = setTimeout(() => change("q", value), 150);
  };
  const search = h("input", {
    id: "search",
    type: "search",
    placeholder: "Words of a text or a page’s name",
    autocomplete: "off",
    spellcheck: "false",
    value: query.get("q") || "",
    oninput: type,
  });
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    h("label", { class: "search" }, h("span", {}, "Search"), search),
    choiceOf("Kind", "kind", [["", "any"], ...KINDS.slice(0, 3).map((kind) => [kind, kind])], query, change),
    choiceOf("Original", "scope", [["", "anywhere"], ...SCOPE_NAMES.map((name, at) => [name, SCOPES[at]])], query, change),
    bySites.length > 1 &&
      choiceOf("Site", "site", [["", "any"], ...bySites.map((row) => [String(row), siteName(row)])], query, change),
    choiceOf("Order", "sort", Object.entries(ORDERS).map(([name, [words]]) => [name === "text" ? "" : name, words]), query, change),
  );
}

// The list, and beside it (or, where it is narrow, in its place) the group that was chosen.
let listed = { key: null, groups: [], from: 0 };

async function showGroups(root, [chosen], query, isStale) {
  const open = chosen === undefined ? null : Number(chosen);
  const key = query.toString();
  const suffix = key ? `?${key}` : "";
  if (root.dataset.key !== key) {
    const groups = await foundGroups(query);
    if (isStale()) return;
    listed = { key, groups, from: 0 };
  }
  const change = (name, value) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    replaceRoute(`#/groups${next.size ? `?${next}` : ""}`);
  };
  if (!root.querySelector(".filters")) {
    root.replaceChildren(
      h("h1", { class: "hidden" }, "Groups"),
      h("div", { class: "bar-of-filters" }),
      h("p", { class: "soft count", role: "status" }),
      h("div", { class: "columns" }, h("div", { class: "list" }), h("article", { class: "detail", "aria-live": "off" })),
    );
  }
  const bars = root.querySelector(".bar-of-filters");
  const focused = bars.contains(document.activeElement) ? document.activeElement : null;
  if (root.dataset.key !== key || !bars.firstChild) {
    if (focused?.id === "search") {
      // Nobody is to lose the place at which they type.
      const fresh = filters(query, change);
      fresh.querySelector("#search").closest("label").replaceWith(focused.closest("label"));
      focused.oninput = null;
      bars.replaceChildren(fresh);
      focused.focus();
    } else {
      bars.replaceChildren(filters(query, change));
      if (focused) bars.querySelector(`[name=${focused.name}]`)?.focus();
    }
  }
  root.dataset.key = key;
  const at = listed.groups.indexOf(open);
  if (at >= 0 && (at < listed.from || at >= listed.from + LISTED)) listed.from = at - (at % LISTED);
  const count = listed.groups.length;
  const all = core.groups.text.length;
  root.querySelector(".count").textContent =
    count === all ? counted(all, "group") : `${number(count)} of ${counted(all, "group")}`;
  await drawList(root, suffix, open, isStale);
  if (isStale()) return;
  root.classList.toggle("chosen", open !== null);
  const detail = root.querySelector(".detail");
  if (open === null) {
    detail.replaceChildren(h("p", { class: "soft" }, "Choose a group to see where it stands, and what changed."));
  } else {
    await showGroup(detail, open, suffix, isStale);
  }
}

async function drawList(root, suffix, open, isStale) {
  const shown = listed.groups.slice(listed.from, listed.from + LISTED);
  const texts = await Promise.all(shown.map(groupText));
  if (isStale()) return;
  const items = shown.map((group, at) => h("li", {}, groupCard(group, texts[at], suffix, group === open)));
  const list = root.querySelector(".list");
  const go = (from) => {
    listed.from = from;
    drawList(root, suffix, open, () => false);
    root.scrollIntoView({ block: "start" });
  };
  list.replaceChildren(
    items.length ? h("ol", { class: "cards", start: listed.from + 1 }, items) : h("p", { class: "card" }, "No group is like that. Ask for less."),
    items.length ? pager(listed.from, LISTED, listed.groups.length, "group", go) : "",
  );
}
