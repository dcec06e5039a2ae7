// One group: its original, and its repeats with what changed.

const MEMBERS = 25;
const LONG = 60; // words of a stretch that only the original has, beyond which its middle is left out

function placeLink(page, position, line) {
  const block = `block ${position}`;
  const where = line ? `line ${number(line)}, ${block}` : block;
  // Of a single page every place is on it.
  const words = core.only === null ? [h("bdi", { class: "name" }, pageName(page)), " ", where] : where;
  const has = page < core.views.at(-1);
  return h(has ? "a" : "span", { href: has && `#/page/${page}/${position}` }, words);
}

const NEARNESS = ["same page", "same site", "another site"];
const TAGS = { deleted: "del", inserted: "ins", elsewhere: "mark" };
const WORDS = { deleted: "in the original alone", inserted: "in this repeat alone", elsewhere: "in both, elsewhere" };

function partElement(kind, text) {
  if (kind === "same") return text;
  let shown = text;
  if (kind !== "inserted") {
    const split = text.split(/(?<=\s)/u);
    if (split.length > LONG) {
      const left = split.length - LONG / 2;
      shown = `${split.slice(0, LONG / 4).join("")}… ${counted(left, "word")} … ${split.slice(-LONG / 4).join("")}`;
    }
  }
  // The space around a change is nobody's.
  const [, before, inner, behind] = shown.match(/^(\s*)(.*?)(\s*)$/su);
  return [before, inner && h(TAGS[kind], { title: WORDS[kind] }, inner), behind];
}

function differenceElement(block, original) {
  const parts = differences(block, original);
  return h("p", { class: "text", dir: "auto" }, parts.map(([kind, text]) => partElement(kind, text)));
}

async function memberElement(member, original) {
  const { page, position, line, kind, scope, share, text: row } = core.members;
  const [own] = await textsOf([row[member]]);
  const code = kind[member];
  const changed = code !== 0 && own !== null && original !== null;
  const alone = code !== 0 && !changed;
  return h(
    "li",
    { class: KINDS[code] },
    h(
      "p",
      { class: "place" },
      kindLabel(code, shareOf(code, share[member])),
      placeLink(page[member], position[member], line[member]),
      core.only === null && h("span", { class: "soft" }, NEARNESS[scope[member]]),
    ),
    changed && differenceElement(own, original),
    alone && own !== null && h("p", { class: "text", dir: "auto" }, own),
    alone && own === null && h("p", { class: "soft" }, "Its text was left out to keep this file small."),
  );
}

function textElement(text) {
  const element = h("p", { class: "text whole", dir: "auto" }, text);
  if (text.length < 1200) return element;
  element.classList.add("folded");
  const button = h("button", { type: "button", "aria-expanded": "false" }, "Show all of it");
  button.addEventListener("click", () => {
    const folds = element.classList.toggle("folded");
    button.textContent = folds ? "Show all of it" : "Show less";
    button.setAttribute("aria-expanded", String(!folds));
  });
  return h("div", {}, element, button);
}

async function showGroup(root, group, suffix, isStale) {
  const { page, position, line, repeats, pages, wasted, seen, first } = core.groups;
  if (!(group in page)) {
    root.replaceChildren(h("p", {}, "There is no such group."));
    return;
  }
  const original = await textOf(core.groups.text[group]);
  const [start, end] = membersOf(group);
  const text = await groupText(group);
  if (isStale()) return;
  const members = h("ol", { class: "members" });
  const foot = h("div");
  const draw = async (from) => {
    const rows = Array.from({ length: Math.min(MEMBERS, end - start - from) }, (_, at) => start + from + at);
    const items = await Promise.all(rows.map((member) => memberElement(member, original)));
    members.start = from + 1;
    members.replaceChildren(...items);
    const go = async (to) => {
      await draw(to);
      members.scrollIntoView({ block: "start" });
    };
    foot.replaceChildren(
      end - start > MEMBERS ? pager(from, MEMBERS, end - start, "repeat", go) : "",
      repeats[group] > end - start
        ? h("p", { class: "soft" }, `${number(repeats[group] - end + start)} more repeats are not in this file; dedup check --format jsonl has all.`)
        : "",
    );
  };
  await draw(0);
  if (isStale()) return;
  const earlier = seen[group] > repeats[group];
  root.replaceChildren(
    h("p", { class: "back" }, h("a", { href: `#/groups${suffix}` }, "All groups")),
    h("h2", { tabindex: "-1" }, `${counted(repeats[group], "repeat")}${onPages(group)}`),
    h(
      "p",
      { class: "soft" },
      `${counted(wasted[group], "character")} repeated; number ${number(group + 1)} by repeated text`,
    ),
    h("h3", {}, "Original"),
    h("p", { class: "place" }, placeLink(page[group], position[group], line[group])),
    textElement(text),
    h(
      "p",
      { class: "soft" },
      `First seen ${first[group].replace("T", " ").replace("Z", " UTC")}`,
      earlier ? `; with earlier runs it was repeated ${number(seen[group])} times` : "",
    ),
    h("h3", {}, "Repeats"),
    hasChanges(start, end)
      ? h(
          "p",
          { class: "soft" },
          "Marked: ",
          h("del", {}, "in the original alone"),
          ", ",
          h("ins", {}, "in the repeat alone"),
          ", ",
          h("mark", {}, "in both, elsewhere"),
          ".",
        )
      : "",
    members,
    foot,
  );
  root.scrollTop = 0;
}

function hasChanges(start, end) {
  return core.members.kind.slice(start, end).some((kind) => kind !== 0);
}
