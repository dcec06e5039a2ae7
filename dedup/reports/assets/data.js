// What the report holds, unpacked when it is asked for: columns at once, texts and pages in chunks.

let core = null;

async function unpack(id) {
  const packed = $(id).textContent;
  const bytes = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(packed)
    : Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// The chunks used last stay unpacked.
function chunks(prefix, most) {
  const held = new Map();
  return (at) => {
    const chunk = held.get(at) || unpack(prefix + at);
    held.delete(at);
    held.set(at, chunk);
    if (held.size > most) held.delete(held.keys().next().value);
    return chunk;
  };
}

const stringChunk = chunks("s", 24);
const pageChunk = chunks("p", 6);

async function textOf(row) {
  if (row < 0) return null;
  const at = lastAtMost(core.strings, row);
  return (await stringChunk(at))[row - core.strings[at]];
}

const textsOf = (rows) => Promise.all(rows.map(textOf));

// A group's text: its original's, or, where that is not at hand, that of its first repeat.
function textRow(group) {
  const row = core.groups.text[group];
  return row >= 0 ? row : core.members.text[core.groups.members[group]] ?? -1;
}

async function groupText(group) {
  return (await textOf(textRow(group))) ?? "(The text is not at hand: the index keeps none.)";
}

function membersOf(group) {
  const firsts = core.groups.members;
  const end = group + 1 < firsts.length ? firsts[group + 1] : core.members.page.length;
  return [firsts[group], end];
}

// The blocks of a page: the rows of their texts, and which of them repeat what. Null: not held.
async function pageView(page) {
  if (page >= core.views.at(-1)) return null;
  const at = lastAtMost(core.views.slice(0, -1), page);
  const [texts, marks] = (await pageChunk(at))[page - core.views[at]];
  return { texts, marks };
}

// The groups' texts in lower case, for searching: made once, when somebody searches.
let searched = null;

function searchTexts() {
  searched ??= (async () => {
    const lowered = [];
    for (let at = 0; at < core.strings.length && core.strings[at] < core.searched; at += 1) {
      for (const text of await stringChunk(at)) {
        if (lowered.length < core.searched) lowered.push(text.toLowerCase());
      }
    }
    return lowered;
  })();
  return searched;
}

// Members by page, as `order[starts[page]:starts[page + 1]]`.
let byPage = null;

function membersByPage() {
  if (byPage) return byPage;
  const pages = core.members.page;
  const starts = new Int32Array(core.pages.name.length + 1);
  for (const page of pages) starts[page + 1] += 1;
  for (let page = 0; page + 1 < starts.length; page += 1) starts[page + 1] += starts[page];
  const next = starts.slice();
  const order = new Int32Array(pages.length);
  pages.forEach((page, member) => {
    order[next[page]] = member;
    next[page] += 1;
  });
  byPage = { starts, order };
  return byPage;
}

// Page names without the folder that all share.
function pageName(page) {
  const name = core.pages.name[page];
  const short = core.only === null && name.startsWith(core.folder);
  return (short ? name.slice(core.folder.length) : name) || name;
}

function siteName(site) {
  return core.sites.name[site] ?? "(pages without a site)";
}
