// What the service answered: the pages, the totals, the filters, and one page in place.

const MOST_TEXTS = 2000; // pages whose texts are kept, for the originals of later pages

let answers = [];
let shownAnswer = null;
let shownList = null;
const filters = { kinds: new Set(KINDS), scope: "", only: false };
const rememberedTexts = new Map(); // "namespace page" to the texts of its blocks

// An answer of the service, prepared for showing.
function toAnswer(page, remembers) {
  const answer = { ...page, remembers, namespace: namespace(), why: new Map(), originals: new Map() };
  if (page.error !== undefined) return answer;
  for (const why of [...page.repeats, ...(page.extensions || [])]) answer.why.set(why.position, why);
  for (const { original } of page.repeats) {
    if (original.page !== page.page) continue;
    answer.originals.set(original.position, (answer.originals.get(original.position) || 0) + 1);
  }
  if (remembers) {
    const name = `${answer.namespace} ${page.page}`;
    rememberedTexts.delete(name);
    rememberedTexts.set(name, page.all_blocks.map(({ text }) => text));
    if (rememberedTexts.size > MOST_TEXTS) rememberedTexts.delete(rememberedTexts.keys().next().value);
  }
  return answer;
}

function sizes(some) {
  let [repeated, all] = [0, 0];
  for (const { repeats, unique_text: rest } of some) {
    const wasted = repeats.reduce((sum, { text }) => sum + text.length, 0);
    repeated += wasted;
    all += wasted + rest.length;
  }
  return [repeated, all];
}

function verdictWords(some) {
  const repeats = some.reduce((sum, answer) => sum + answer.repeats.length, 0);
  const blocks = some.reduce((sum, answer) => sum + answer.blocks, 0);
  if (!some.length) return "No page could be judged";
  if (!repeats) return `No repeats in ${counted(blocks, "block")}`;
  const [repeated, all] = sizes(some);
  const share = Math.floor((repeated / (all || 1)) * 100 + 1e-9);
  return `${number(repeats)} of ${counted(blocks, "block")} ${repeats === 1 ? "is a repeat" : "are repeats"}, ${share}% of the text`;
}

const judged = () => answers.filter(({ error }) => error === undefined);

function isWanted(answer, position) {
  const why = answer.why.get(position);
  return Boolean(why) && filters.kinds.has(why.kind) && (!filters.scope || why.scope === filters.scope);
}

function filtersElement(answer) {
  const count = (test) => [...answer.why.values()].filter(test).length;
  const kinds = KINDS.filter((kind) => kind !== "extension" || answer.extensions).map((kind) => {
    const box = h("input", { type: "checkbox", name: kind, checked: filters.kinds.has(kind) });
    box.addEventListener("change", () => {
      if (box.checked) filters.kinds.add(kind);
      else filters.kinds.delete(kind);
      showBlocks();
    });
    return h("label", {}, box, " ", kindLabel(KINDS.indexOf(kind)), ` ${number(count((why) => why.kind === kind))}`);
  });
  const scope = h(
    "select",
    { id: "scope" },
    h("option", { value: "" }, "anywhere"),
    SCOPE_NAMES.map((name, at) =>
      h("option", { value: name, selected: filters.scope === name }, `${SCOPES[at]} (${number(count((why) => why.scope === name))})`),
    ),
  );
  scope.addEventListener("change", () => {
    filters.scope = scope.value;
    showBlocks();
  });
  const only = h("input", { type: "checkbox", id: "only", checked: filters.only });
  only.addEventListener("change", () => {
    filters.only = only.checked;
    showBlocks();
  });
  return h(
    "div",
    { class: "choice" },
    h("fieldset", {}, h("legend", { class: "hidden" }, "Kinds of repeat that are marked"), kinds),
    h("label", {}, "Original stands ", scope),
    h("label", {}, only, " Marked blocks alone"),
  );
}

const blocksPlace = h("div", { id: "blocks" });

function showBlocks() {
  const answer = shownAnswer;
  const wanted = (position) => isWanted(answer, position);
  const [list, foot] = blocksElement(answer, wanted, filters.only);
  shownList = list;
  blocksPlace.replaceChildren(list, foot);
  followBlocks(answer, list);
  const first = [...answer.why.keys()].sort((one, two) => one - two).find(wanted);
  if (first === undefined) {
    const none = answer.why.size ? "No repeat is of the kinds that are chosen." : "Nothing on this page repeats: there is no original to show.";
    lookAtNothing(none);
  } else if (narrow.matches) lookAtNothing("");
  else lookAt(answer, list, first, false);
}

function pageElement(answer) {
  const { error, repeats, blocks } = answer;
  const facts =
    error === undefined
      ? [
          h("span", {}, `${number(repeats.length)} of ${counted(blocks, "block")} repeat`),
          KINDS.map((kind) => [kind, repeats.filter((why) => why.kind === kind).length])
            .filter(([, count]) => count)
            .map(([kind, count]) => h("span", {}, number(count), " ", kindLabel(KINDS.indexOf(kind)))),
        ]
      : h("span", { class: "failed" }, error);
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "page", disabled: error !== undefined, "aria-current": answer === shownAnswer ? "true" : null, onclick: () => showAnswer(answer, true) },
      h("bdi", { class: "name" }, answer.page),
      " ",
      h("span", { class: "facts" }, facts),
    ),
  );
}

function totalsElement(answer) {
  const [repeated, all] = sizes([answer]);
  return h(
    "dl",
    { class: "totals" },
    totalElement("Blocks", number(answer.blocks)),
    totalElement("Repeats", number(answer.repeats.length)),
    totalElement("Too short", number(answer.skipped)),
    totalElement("Repeated text", percent(all ? repeated / all : 0)),
  );
}

function copyButton(answer) {
  const button = h("button", { type: "button" }, "Copy the text without repeats");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(answer.unique_text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not let this page copy";
    }
  });
  return button;
}

function showAnswer(answer, moves) {
  shownAnswer = answer;
  const some = judged();
  const several = answers.length > 1;
  const parts = [
    h("h2", { id: "verdict", tabindex: "-1" }, verdictWords(some)),
    h("p", { class: "soft" }, outcomeWords()),
  ];
  if (several) {
    parts.push(h("nav", { class: "pages", "aria-label": "Pages" }, h("ol", {}, answers.map(pageElement))));
  }
  if (answer) {
    const marks = answer.repeats.map(({ position, kind }) => [position, KINDS.indexOf(kind)]);
    parts.push(
      several && h("h2", { id: "page-title", tabindex: "-1" }, h("bdi", { class: "name" }, answer.page)),
      totalsElement(answer),
      answer.blocks > 0 && strip(answer.blocks, marks, "Where on the page its repeats stand"),
      h("div", { class: "bar-of-choice" }, filtersElement(answer), copyButton(answer)),
      h("div", { class: "columns" }, blocksPlace),
    );
  }
  $("result").replaceChildren(...parts.filter(Boolean));
  $("result").hidden = false;
  if (answer) showBlocks();
  if (moves) {
    const title = $("page-title") || $("verdict");
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "start" });
  }
}

function outcomeWords() {
  const [{ remembers, namespace: where }] = answers;
  const failed = answers.length - judged().length;
  const name = answers.length === 1 ? [h("bdi", { class: "name" }, answers[0].page), " was "] : `${counted(answers.length, "page")} were `;
  const done = remembers ? "checked and remembered in namespace " : "looked up in namespace ";
  const rest = remembers
    ? "."
    : answers.length > 1
      ? ", each by itself; the index is as it was. Pages are compared with one another when they are remembered."
      : "; the index is as it was.";
  return [name, done, h("bdi", {}, where), rest, failed ? ` ${counted(failed, "page")} could not be judged.` : ""];
}

function goTo(answer, position) {
  if (answer !== shownAnswer) showAnswer(answer, false);
  if (!shownList.reveal(position)) {
    filters.only = false;
    showAnswer(answer, false);
  }
  const item = shownList.reveal(position);
  item.tabIndex = -1;
  item.focus({ preventScroll: true });
  item.scrollIntoView({ block: "center" });
}

function stepRepeats(by) {
  const stops = [...document.querySelectorAll("#blocks .why")];
  if (!stops.length) return;
  const at = stops.indexOf(document.activeElement);
  const next = at < 0 ? stops[by > 0 ? 0 : stops.length - 1] : stops[at + by];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "center" });
}
