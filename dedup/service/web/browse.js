// What the index holds, and forgetting a page.

const SETTINGS = {
  threshold: "A block is near from a similarity of",
  min_words: "It is judged from so many words",
  excerpt_containment: "It is an excerpt when such a share of it stands in its original",
  excerpt_shingles: "and so many word pairs at least",
  excerpt_ratio: "and it has no more than such a share of the original’s",
  expire_after: "An original is dropped when it was not seen for so many seconds",
  keep: "What is kept of each original",
  lsh: "How candidates are found",
};

function settingElement([name, value]) {
  const shown = value === null ? "not set" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return h("div", {}, h("dt", {}, SETTINGS[name] || "", " ", h("code", {}, name)), h("dd", {}, shown));
}

function statsElements({ url, pages, originals, repeats, bytes, disk_bytes: disk, settings }) {
  const total = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
  return [
    h("p", { class: "soft" }, "Namespace ", h("bdi", {}, namespace()), " of ", h("bdi", { class: "name" }, url)),
    h(
      "dl",
      { class: "totals" },
      total("Pages", number(pages)),
      total("Originals", number(originals)),
      total("Repeats", number(repeats)),
      total("Memory", fileSize(bytes)),
      disk > 0 && total("On disk", fileSize(disk)),
    ),
    h("h2", {}, "Settings"),
    h("dl", { class: "card pairs" }, Object.entries(settings).map(settingElement)),
  ];
}

async function showIndex() {
  showTrouble($("index-trouble"));
  try {
    $("stats").replaceChildren(...statsElements(await ask("GET", "/v1/stats")));
  } catch (error) {
    $("stats").replaceChildren();
    showTrouble($("index-trouble"), error);
  }
}

async function forget(page) {
  $("forgotten").textContent = "";
  showTrouble($("index-trouble"));
  try {
    await ask("DELETE", `/v1/pages/${encodeURIComponent(page)}`);
  } catch (error) {
    showTrouble($("index-trouble"), error);
    return;
  }
  rememberedTexts.delete(`${namespace()} ${page}`);
  $("forgotten").replaceChildren(h("bdi", { class: "name" }, page), " is forgotten.");
  $("forget-id").value = "";
  await showIndex();
}

$("forget").addEventListener("submit", (event) => {
  event.preventDefault();
  $("confirm-page").textContent = $("forget-id").value;
  $("confirm-namespace").textContent = namespace();
  $("confirm").returnValue = "no";
  $("confirm").showModal();
});
$("confirm").addEventListener("close", () => {
  if ($("confirm").returnValue === "yes") forget($("confirm-page").textContent);
});
