// What is typed for a field that is still on its way: kept, and given to it when it is there.

let typedAhead = null;

// From now on, until `handOver`, what is typed is for a field to come.
function typeAhead() {
  typedAhead = "";
}

// Gives a field what was typed ahead; where there is none, it is lost.
function handOver(field) {
  const typed = typedAhead;
  typedAhead = null;
  if (typed === null || !field) return;
  field.focus();
  if (!typed) return;
  field.value += typed;
  field.dispatchEvent(new Event("input"));
}

// Before anybody takes these keys for commands.
document.addEventListener(
  "keydown",
  (event) => {
    if (typedAhead === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Backspace") typedAhead = typedAhead.slice(0, -1);
    else if (event.key.length === 1) typedAhead += event.key;
    else return;
    event.preventDefault();
    event.stopPropagation();
  },
  { capture: true },
);
