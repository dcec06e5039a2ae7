// The check itself: pages go to the service, some at a time, and their answers are shown.

const SAMPLE_ID = "examples/harbour-news.html"; // as in the documentation, and for `make serve`

let running = null; // stops what is under way

// What the page shows anyway is said to those alone who do not see it.
function say(words, shown = true) {
  $("said").textContent = words;
  $("said").classList.toggle("hidden", !shown);
}

// Problems of a page, or of too much at once.
const OF_PAGES = ["too-large", "page", "page-too-large", "too-much"];

// The answers to a batch. What is too much at once goes page by page, so that one page which cannot be
// judged keeps no other from it.
async function judge(batch, remembers, signal) {
  const wishes = { lookup: !remembers, blocks: true, originals: true, unique_text: true };
  const waiting = ({ title }, seconds) => say(`${title}: trying again in ${counted(seconds, "second")} …`);
  try {
    const { pages } = await ask("POST", "/v1/check", { body: { pages: batch, ...wishes }, signal, waiting });
    return pages.map((page) => toAnswer(page, remembers));
  } catch (error) {
    if (!OF_PAGES.includes(error.name)) throw error;
    if (batch.length === 1) {
      if (files.length < 2) throw error;
      return [toAnswer({ page: batch[0].page, error: error.message }, remembers)];
    }
    const found = [];
    for (const page of batch) found.push(...(await judge([page], remembers, signal)));
    return found;
  }
}

async function run() {
  if (running) return;
  showTrouble($("check-trouble"));
  if (!isGiven()) {
    say("There is nothing to look at yet: paste a page, drop a file, or try the sample page.");
    $("content").focus();
    return;
  }
  const remembers = $("remember").checked;
  const found = [];
  running = new AbortController();
  const total = Math.max(1, files.length);
  const progress = () => say(total > 1 ? `${number(found.length)} of ${counted(total, "page")} …` : "One moment …");
  $("go").disabled = true;
  const slow = setTimeout(() => ($("stop").hidden = false), 400);
  let failed = null;
  try {
    progress();
    for await (const batch of givenBatches()) {
      found.push(...(await judge(batch, remembers, running.signal)));
      progress();
    }
  } catch (error) {
    failed = error;
  }
  const stopped = running.signal.aborted;
  running = null;
  clearTimeout(slow);
  $("go").disabled = false;
  $("stop").hidden = true;
  const left = counted(total - found.length, "page");
  if (stopped) say(found.length ? `Stopped: the other ${left} were not looked at.` : "Stopped.");
  else if (failed) say("");
  if (found.length) {
    answers = found;
    if (!failed) say(`${verdictWords(judged())}.`, false);
    $("form").classList.add("done");
    showAnswer(judged().find(({ repeats }) => repeats.length) || judged()[0] || null, !failed);
  }
  if (failed && !stopped) {
    if (found.length) failed.message += ` What was answered before, ${number(found.length)} of ${counted(total, "page")}, is shown below.`;
    showTrouble($("check-trouble"), failed);
  }
}

async function bringSample() {
  showTrouble($("check-trouble"));
  try {
    const response = await fetch("/web/harbour-news.html");
    if (!response.ok) throw await problemOf(response);
    clearGiven();
    setText(await response.text(), SAMPLE_ID);
    showGiven();
    say("The sample page, a newspaper’s, is in the field.");
    $("go").focus();
  } catch (error) {
    showTrouble($("check-trouble"), error);
  }
}

function showWish() {
  const remembers = $("remember").checked;
  $("go").textContent = remembers ? "Check and remember" : "Look up";
  $("what-for").textContent = remembers ? "On: later pages are compared with it" : "Off: the index stays as it is";
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
$("content").addEventListener("focus", () => $("form").classList.remove("done"));
$("stop").addEventListener("click", () => running?.abort());
$("sample").addEventListener("click", bringSample);
$("remember").addEventListener("change", showWish);
// A browser that comes back to a page may have kept what was ticked.
showWish();
showGiven();
