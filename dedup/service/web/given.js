// What somebody gives: a text that was pasted or typed, or files. As the service takes it.

const PASTED = "pasted";
const BATCH_PAGES = 25;
const BATCH_BYTES = 2 << 20;

let files = []; // {name, file}
let suggested = ""; // the page id that came with a text

function addFiles(more) {
  for (const one of more) {
    files = files.filter(({ name }) => name !== one.name);
    files.push(one);
  }
  if (files.length) setText("", "");
  showGiven();
}

function setText(text, id) {
  $("content").value = text;
  suggested = id;
}

function clearGiven() {
  files = [];
  setText("", "");
  $("page-id").value = "";
  $("picker").value = "";
  showGiven();
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${number(Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const CHIPS = 12;

function showGiven() {
  const some = files.slice(0, CHIPS).map((one) =>
    h(
      "li",
      {},
      h("bdi", {}, one.name),
      h("span", { class: "soft" }, fileSize(one.file.size)),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Leave out ${one.name}`,
          onclick: () => {
            files = files.filter((other) => other !== one);
            showGiven();
            ($("files").querySelector("button") || $("content")).focus();
          },
        },
        "×",
      ),
    ),
  );
  const rest = files.length - some.length;
  $("files").replaceChildren(
    h("ul", { "aria-label": "Files" }, some, rest > 0 && h("li", { class: "soft" }, `and ${counted(rest, "more file")}`)),
  );
  $("files").hidden = !files.length;
  $("content").hidden = files.length > 0;
  const many = files.length > 1;
  $("page-id").disabled = many;
  $("page-id").placeholder = many ? "the files’ names" : files[0]?.name || suggested || PASTED;
  $("what").textContent = many ? "these pages" : "this page";
}

function isGiven() {
  return files.length > 0 || $("content").value.trim() !== "";
}

async function base64(file) {
  const reader = new FileReader();
  await new Promise((done, failed) => {
    reader.onload = done;
    reader.onerror = () =>
      failed(new Problem(0, { title: "A file cannot be read", detail: `${file.name}: ${reader.error.message}` }));
    reader.readAsDataURL(file);
  });
  return reader.result.slice(reader.result.indexOf(",") + 1);
}

// Pages as the service takes them, some at a time: files go as the bytes that they are, so that it is
// the service that finds out their charset, as it does for a crawler.
async function* givenBatches() {
  const format = $("format").value;
  const id = $("page-id").value.trim();
  if (!files.length) {
    const text = $("content").value;
    const content = text.toWellFormed ? text.toWellFormed() : text;
    yield [{ page: id || suggested || PASTED, content, format }];
    return;
  }
  const all = files.slice();
  let batch = [];
  let bytes = 0;
  for (const { name, file } of all) {
    if (batch.length && (batch.length === BATCH_PAGES || bytes + file.size > BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    const page = (all.length === 1 && id) || name;
    batch.push({ page, content_base64: await base64(file), format });
    bytes += file.size;
  }
  yield batch;
}

// Files that were dropped, those in folders by their paths.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ name: file.name, file }));
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      found.push({ name: entry.fullPath.replace(/^\//u, ""), file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      for (const inner of some) if (!inner.name.startsWith(".")) await walk(inner);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

$("choose").addEventListener("click", () => $("picker").click());
$("picker").addEventListener("change", () => {
  addFiles([...$("picker").files].map((file) => ({ name: file.name, file })));
  $("picker").value = "";
});
$("empty").addEventListener("click", () => {
  clearGiven();
  $("content").focus();
});
$("content").addEventListener("input", () => {
  if (!$("content").value) {
    suggested = "";
    showGiven();
  }
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
let over = 0; // elements that the files are over, one within another

window.addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  over += 1;
  $("drop").hidden = false;
});
window.addEventListener("dragleave", (event) => {
  if (!carriesFiles(event)) return;
  over -= 1;
  $("drop").hidden = over > 0 ? false : true;
});
window.addEventListener("dragover", (event) => {
  if (carriesFiles(event)) event.preventDefault();
});
window.addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  over = 0;
  $("drop").hidden = true;
  location.hash = "#/";
  try {
    addFiles(await filesOf(event.dataTransfer));
  } catch (error) {
    showTrouble($("check-trouble"), error);
  }
  $("go").focus();
});
