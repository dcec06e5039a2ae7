// Elements from values, and numbers as people read them. Text is only ever text: nothing of what a
// page holds is parsed as markup, here or elsewhere.

const KINDS = ["exact", "near", "excerpt", "extension"];
const SCOPES = ["on the same page", "on the same site", "elsewhere"];

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const $ = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat("en");
const number = (value) => grouped.format(value);
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

// Rounded down, as everywhere: what is not quite equal never reads as 100%.
function percent(share) {
  if (share > 0 && share < 0.01) return "<1%";
  return `${Math.floor(share * 100 + 1e-9)}%`;
}

// A text at most so long, on one line, for a list.
function shortened(text, length) {
  const line = text.slice(0, 4 * length).replace(/\s+/gu, " ").trim();
  if (line.length <= length) return text.length > 4 * length ? `${line}…` : line;
  const at = line.lastIndexOf(" ", length);
  return `${line.slice(0, at > (length * 2) / 3 ? at : length)}…`;
}

// The kind of a repeat as a small label: its colour never says what its word does not.
function kindLabel(kind, more) {
  return h("span", { class: `kind ${KINDS[kind]}` }, KINDS[kind], more ? ` ${more}` : "");
}

function shareOf(kind, thousandths) {
  if (kind === 0) return "";
  return `${Math.floor(thousandths / 10)}%${kind === 2 ? " inside" : ""}`;
}

function pager(from, size, total, noun, go) {
  const last = Math.min(from + size, total);
  const button = (words, to, enabled) =>
    h("button", { type: "button", disabled: !enabled, onclick: () => go(to) }, words);
  return h(
    "div",
    { class: "pager", role: "group", "aria-label": "Pages of this list" },
    total > size && button("Previous", Math.max(0, from - size), from > 0),
    h("span", {}, total ? `${number(from + 1)} to ${number(last)} of ${counted(total, noun)}` : ""),
    total > size && button("Next", from + size, last < total),
  );
}
