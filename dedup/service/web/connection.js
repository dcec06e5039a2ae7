// Which of the store's indexes is meant, and the key of who asks: for as long as this tab is open.

const held = { namespace: "", key: "" };
const whenConnected = []; // called after either has changed

function session(name, value) {
  try {
    if (value) sessionStorage.setItem(`dedup-${name}`, value);
    else if (value === "") sessionStorage.removeItem(`dedup-${name}`);
    return sessionStorage.getItem(`dedup-${name}`) || "";
  } catch {
    return value || ""; // a browser that keeps nothing
  }
}

const namespace = () => held.namespace || document.body.dataset.namespace;
const keyNeeded = () => document.body.dataset.keys === "needed";

function showConnection() {
  const name = h("span", { class: "wide" }, "Namespace: ");
  const lacks = keyNeeded() && !held.key;
  $("connect").replaceChildren(name, h("bdi", {}, namespace()), lacks ? " (no key)" : "");
}

function askConnection() {
  $("namespace").value = held.namespace;
  $("key").value = held.key;
  $("connection").showModal();
  if (keyNeeded()) $("key").focus();
}

// A header takes printable ASCII alone, and so are all keys.
function checkKey() {
  const odd = /[^\x21-\x7e]/u.test($("key").value.trim());
  $("key").setCustomValidity(odd ? "A key has letters, digits and underscores, and no spaces." : "");
}

function connect() {
  held.namespace = $("namespace").value.trim();
  held.key = $("key").value.trim();
  session("namespace", held.namespace);
  session("key", held.key);
  showConnection();
  for (const tell of whenConnected) tell();
}

held.namespace = session("namespace");
held.key = session("key");
$("key-hint").textContent = keyNeeded()
  ? "This service asks for one. It stays in this tab and is gone when you close it."
  : "This service asks for none: it answers to this machine alone.";
$("connect").addEventListener("click", askConnection);
$("connection-cancel").addEventListener("click", () => $("connection").close());
$("connection-form").addEventListener("submit", connect);
$("key").addEventListener("input", checkKey);
showConnection();
