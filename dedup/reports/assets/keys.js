// Single keys, unless somebody switched them off, types, or holds another key.
let keysOn = remembered("keys") !== "off";
$("keys-on").checked = keysOn;
$("keys-on").addEventListener("change", (event) => {
  keysOn = event.target.checked;
  remembered("keys", keysOn ? "on" : "off");
});
$("keys").addEventListener("click", () => $("help").showModal());

// Calls the action of a key. One that returns false leaves the key to the browser.
function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape" && event.target.type === "search") event.target.blur();
      return;
    }
    // Keys that write nothing, like Escape, stay.
    if (!keysOn && event.key.length === 1) return;
    const action = actions[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}
