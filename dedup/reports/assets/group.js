// One group: its original, and its repeats with what changed.

const MEMBERS = 25;

function placeLink(page, position, line) {
  const block = `block ${position}`;
  const where = line ? `line ${number(line)}, ${block}` : block;
  // Of a single page every place is on it.
  const words = core.only === null ? [h("bdi", { class: "name" }, pageName(page)), " ", where] : where;
  const has = page < core.views.at(-1);
  return h(has ? "a" : "span", { href: has && `#/page/${page}/${position}` }, words);
}

const NEARNESS = ["same page", "same site", "another site"];
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
      first[group]
        ? `First seen ${first[group].replace("T", " ").replace("Z", " UTC")}`
        : "First seen in this run",
      earlier ? `; with earlier runs it was repeated ${number(seen[group])} times` : "",
    ),
    h("h3", {}, "Repeats"),
    hasChanges(start, end)
      ? marksLegend("the repeat")
      : "",
    members,
    foot,
  );
  root.scrollTop = 0;
}

function hasChanges(start, end) {
  return core.members.kind.slice(start, end).some((kind) => kind !== 0);
}
