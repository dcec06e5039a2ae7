// Asking the service; and what it says when it cannot answer, shown to a person.

const TRIES = 6;
const LONGEST_WAIT = 20; // seconds

class Problem extends Error {
  constructor(status, { type = "", title, detail, request_id: request }) {
    super(detail || title);
    this.status = status;
    this.name = type.replace(/^.*#/u, "");
    this.title = title;
    this.request = request;
  }
}

function pause(seconds, signal) {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function problemOf(response) {
  const empty = { title: `The service answered ${response.status}` };
  if (!/json/u.test(response.headers.get("content-type") || "")) return new Problem(response.status, empty);
  return new Problem(response.status, await response.json().catch(() => empty));
}

// The answer as JSON, null where there is none. What the service will take a little later is asked
// again, which is safe: checking a page twice is checking it once.
async function ask(method, path, { body, signal, waiting = () => {} } = {}) {
  const headers = { "Dedup-Namespace": namespace() };
  if (held.key) headers.Authorization = `Bearer ${held.key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (let left = TRIES - 1; ; left -= 1) {
    let response;
    try {
      response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(0, { title: "The service does not answer", detail: "Does it still run, and is the network there?" });
    }
    if (response.ok) return response.status === 204 ? null : response.json();
    const problem = await problemOf(response);
    const wait = Number(response.headers.get("retry-after"));
    if (!left || !wait || wait > LONGEST_WAIT) throw problem;
    waiting(problem, wait);
    await pause(wait, signal);
  }
}

function showTrouble(place, error) {
  if (!error) {
    place.replaceChildren();
    return;
  }
  const about = error.status === 401 || error.status === 403;
  place.replaceChildren(
    h(
      "div",
      { class: "card trouble", role: "alert" },
      h("p", {}, h("strong", {}, error.title || "Something went wrong in this page")),
      h("p", {}, error.message),
      about && h("p", {}, h("button", { type: "button", onclick: askConnection }, "Key and namespace …")),
      error.request && h("p", { class: "soft" }, `Request ${error.request}`),
    ),
  );
}
