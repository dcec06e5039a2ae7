// A page with its repeats marked in place: every block, in order.

const BLOCKS = 400; // shown at once

const SCOPE_NAMES = ["page", "site", "other"]; // as the service has them, in the order of SCOPES
const VERDICTS = { new: "new", skipped: "too short to be judged" };

function placeWords({ original }, answer) {
  const block = `block ${number(original.position)}`;
  if (original.page === answer.page) return [block, " of this page"];
  return [block, " of ", h("bdi", { class: "name" }, original.page)];
}

function shareWords(why) {
  const share = why.kind === "near" ? why.similarity : why.containment;
  return shareOf(KINDS.indexOf(why.kind), Math.floor(share * 1000 + 1e-9));
}

function blockElement(answer, block, shown) {
  const why = shown && answer.why.get(block.position);
  const repeated = answer.originals.get(block.position);
  const hidden = block.hidden && h("span", { class: "kind rest" }, "hidden on the page");
  const note = why
    ? [
        h(
          "button",
          { type: "button", class: "why", "aria-expanded": "false", "aria-controls": "original" },
          kindLabel(KINDS.indexOf(why.kind), shareWords(why)),
          " ",
          why.kind === "extension" ? "contains " : "repeats ",
          placeWords(why, answer),
        ),
        hidden,
      ]
    : (repeated || hidden) && [
        repeated && h("span", { class: "kind rest" }, "original"),
        repeated && ` of ${counted(repeated, "repeat")} on this page `,
        hidden,
      ];
  return h(
    "li",
    {
      id: `block-${block.position}`,
      value: block.position,
      class: why ? `repeat ${why.kind}` : repeated ? "original" : block.verdict === "skipped" ? "short" : null,
      "data-position": block.position,
    },
    h("span", { class: "position", title: `block ${block.position}, line ${block.line}` }, String(block.position)),
    note && h("p", { class: "place" }, note),
    h("p", { class: "text", dir: "auto", title: VERDICTS[block.verdict] }, block.text),
  );
}

// The list of an answer's blocks; `wanted(position)` says which repeats are marked.
function blocksElement(answer, wanted, only) {
  const rows = answer.all_blocks.filter(({ position }) => !only || wanted(position));
  const list = h("ol", { class: "blocks", start: "0" });
  const foot = h("p", { class: "more" });
  let shown = 0;
  const more = (upTo) => {
    const some = rows.slice(shown, upTo);
    list.append(...some.map((block) => blockElement(answer, block, wanted(block.position))));
    shown += some.length;
    const left = rows.length - shown;
    foot.replaceChildren(
      left
        ? h("button", { type: "button", onclick: () => more(shown + BLOCKS) }, `Show ${counted(Math.min(left, BLOCKS), "block")} more of ${number(left)}`)
        : "",
    );
  };
  more(BLOCKS);
  // What is asked for may stand further down.
  list.reveal = (position) => {
    const at = rows.findIndex((block) => block.position === position);
    if (at >= shown) more(at + 20);
    return at < 0 ? null : list.querySelector(`#block-${position}`);
  };
  return [list, rows.length ? foot : h("p", {}, "No block of this page is of that kind.")];
}
