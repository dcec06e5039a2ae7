// A text, and how what changed in it looks.

const LONG = 60; // words of a stretch that only the original has, beyond which its middle is left out
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

// What the marks mean.
function marksLegend(repeat) {
  return h(
    "p",
    { class: "soft" },
    "Marked: ",
    h("del", {}, "in the original alone"),
    ", ",
    h("ins", {}, `in ${repeat} alone`),
    ", ",
    h("mark", {}, "in both, elsewhere"),
    ".",
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
