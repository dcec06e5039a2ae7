// The original of a repeat: beside the page, or below the repeat where the window is narrow. It shows
// what a pointer or the focus is on, until a click keeps one in view.

const narrow = matchMedia("(max-width: 60rem)");
const panel = h("aside", { id: "original", class: "detail", "aria-label": "Original" });

let looking = { answer: null, list: null, position: null, kept: false };

// The text of an original: what the service gave, or what stood there when this tab had it remembered.
function originalText(answer, why) {
  const { text, page, position } = why.original;
  if (typeof text === "string") return [text, ""];
  if (page === answer.page) return [answer.all_blocks[position]?.text ?? null, ""];
  const known = rememberedTexts.get(`${answer.namespace} ${page}`)?.[position];
  return known === undefined ? [null, ""] : [known, "As it stood when you had the page remembered in this tab."];
}

// The answer in which an original stands: this one, or one to a page that is in the index as shown.
function answerWith(answer, { page, position }) {
  if (page === answer.page) return answer;
  return judged().find((one) => one.page === page && one.remembers && position < one.blocks);
}

const REASONS = {
  exact: () => "Equal, apart from case, punctuation and spacing.",
  near: ({ similarity, verified }) =>
    verified
      ? `${percent(similarity)} of the word pairs of both are shared.`
      : `About ${percent(similarity)} of both is shared: an estimate, since the index keeps no more of the original.`,
  excerpt: ({ containment }) => `${percent(containment)} of its word pairs stand in the longer original.`,
  extension: ({ containment }) => `Longer than its original, of which it has ${percent(containment)} of the word pairs. It counts as new.`,
};

function seenWords({ seen, pages, first_seen: first }) {
  return `First seen ${utc(first)}; repeated ${counted(seen, "time")}, on ${counted(pages, "page")} in all.`;
}

function differs(one, other) {
  return one.replace(/\s+/gu, " ").trim() !== other.replace(/\s+/gu, " ").trim();
}

function originalParts(answer, position) {
  const why = answer.why.get(position);
  const block = answer.all_blocks[position];
  const [text, note] = originalText(answer, why);
  const there = answerWith(answer, why.original);
  const elsewhere = why.original.page !== answer.page && SCOPES[SCOPE_NAMES.indexOf(why.scope)];
  const parts = [
    h("h2", {}, `Block ${position} ${why.kind === "extension" ? "contains" : "repeats"} `, placeWords(why, answer)),
    h("p", { class: "place" }, kindLabel(KINDS.indexOf(why.kind), shareWords(why)), elsewhere && h("span", {}, elsewhere)),
    h("p", { class: "soft" }, REASONS[why.kind](why)),
    h("h3", {}, "Original"),
  ];
  if (text === null) {
    parts.push(
      h(
        "p",
        { class: "card" },
        "Its text is not at hand: the index keeps no texts. It is block ",
        number(why.original.position),
        " of ",
        h("bdi", { class: "name" }, why.original.page),
        ".",
        why.kind === "exact" && " Its words are those of this block.",
      ),
    );
  } else {
    parts.push(textElement(text));
    if (note) parts.push(h("p", { class: "soft" }, note));
    if (why.kind !== "exact") {
      parts.push(h("h3", {}, "What changed"), differenceElement(block.text, text), marksLegend("this block"));
    } else if (differs(block.text, text)) {
      parts.push(h("p", { class: "soft" }, "They differ in case or punctuation alone."));
    }
  }
  parts.push(
    // What a lookup counts on its own page is gone when it is answered.
    (answer.remembers || why.original.page !== answer.page) && h("p", { class: "soft" }, seenWords(why.original)),
    h(
      "p",
      { class: "actions" },
      there && h("button", { type: "button", onclick: () => goTo(there, why.original.position) }, "Go to the original"),
      looking.kept && h("button", { type: "button", onclick: letGo }, "Close"),
    ),
  );
  return parts;
}

function markLooking(on) {
  const { answer, list, position, kept } = looking;
  if (position === null) return;
  const item = list.querySelector(`#block-${position}`);
  item?.classList.toggle("chosen-block", on);
  item?.classList.toggle("kept", on && kept);
  item?.querySelector(".why")?.setAttribute("aria-expanded", String(on));
  const { original } = answer.why.get(position);
  if (original.page === answer.page) list.querySelector(`#block-${original.position}`)?.classList.toggle("here", on);
}

function placePanel() {
  const { list, position, kept } = looking;
  if (narrow.matches) {
    const item = kept && list?.querySelector(`#block-${position}`);
    if (item) item.append(panel);
    else panel.remove();
  } else {
    document.querySelector("#result .columns")?.append(panel);
  }
}

function lookAt(answer, list, position, kept) {
  markLooking(false);
  looking = { answer, list, position, kept };
  panel.replaceChildren(...originalParts(answer, position).filter(Boolean));
  panel.scrollTop = 0;
  markLooking(true);
  placePanel();
}

function lookAtNothing(words) {
  markLooking(false);
  looking = { answer: null, list: null, position: null, kept: false };
  panel.replaceChildren(h("p", { class: "soft" }, words));
  placePanel();
}

function letGo() {
  if (!looking.kept) return;
  const { answer, list, position } = looking;
  const button = list.querySelector(`#block-${position} .why`);
  lookAt(answer, list, position, false);
  button?.focus({ preventScroll: true });
}

function followBlocks(answer, list) {
  const positionOf = (event) => {
    const item = event.target.closest("li.repeat");
    return item && !event.target.closest("#original") ? Number(item.dataset.position) : null;
  };
  const glance = (event) => {
    const position = positionOf(event);
    if (position === null || narrow.matches || looking.kept || looking.position === position) return;
    lookAt(answer, list, position, false);
  };
  list.addEventListener("mouseover", glance);
  list.addEventListener("focusin", (event) => {
    const position = positionOf(event);
    if (position === null || narrow.matches || looking.position === position) return;
    lookAt(answer, list, position, looking.kept);
  });
  list.addEventListener("click", (event) => {
    const position = positionOf(event);
    if (position === null || String(getSelection())) return;
    if (looking.kept && looking.position === position) letGo();
    else lookAt(answer, list, position, true);
  });
}

narrow.addEventListener("change", () => {
  if (looking.position === null && shownAnswer) showBlocks();
  else placePanel();
});
