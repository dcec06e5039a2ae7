// Which words of a repeat are not those of its original: dedup/align.py, told to a browser. A test
// holds both against each other.

const SHINGLE = 3;
const PLACES = 32;
const KEPT = 4;
const LOOK_BACK = 64;
const DIFFED = 1 << 18;

const WORD = /[\p{L}\p{N}\p{M}\p{Cf}]+/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const ONE = /.\p{M}*/gsu;

const folded = (word) =>
  word.normalize("NFKC").replace(/\p{Cf}/gu, "").toUpperCase().toLowerCase().normalize("NFKC");

// The tokens of a text, and where to cut it so that each has its punctuation with it.
function words(text) {
  const tokens = [];
  const spans = [];
  const add = (word, start) => {
    const token = folded(word);
    if (!token) return;
    tokens.push(token);
    spans.push([start, start + word.length]);
  };
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (!UNSPACED.test(word)) {
      add(word, index);
      continue;
    }
    // Characters of scripts without spaces stand alone; what is between them is a word.
    let held = 0;
    for (const { 0: one, index: at } of word.matchAll(ONE)) {
      if (!UNSPACED.test(one)) continue;
      add(word.slice(held, at), index + held);
      add(one, index + at);
      held = at + one.length;
    }
    add(word.slice(held), index + held);
  }
  const cuts = [0];
  for (let at = 1; at < spans.length; at += 1) {
    const gap = text.slice(spans[at - 1][1], spans[at][0]);
    const space = gap.search(/\s\S*$/u);
    cuts.push(space < 0 ? spans[at][0] : spans[at - 1][1] + space + 1);
  }
  if (spans.length) cuts.push(text.length);
  return { text, tokens, cuts };
}

function shinglesOf(tokens) {
  const found = [];
  for (let at = 0; at + SHINGLE <= tokens.length; at += 1) {
    found.push(`${tokens[at]},${tokens[at + 1]},${tokens[at + 2]}`);
  }
  return found;
}

// The last place in ascending values at which one is no larger.
function lastAtMost(values, value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function sharedRuns(block, original) {
  const places = new Map();
  shinglesOf(original).forEach((shingle, place) => {
    if (!places.has(shingle)) places.set(shingle, []);
    places.get(shingle).push(place);
  });
  const shingles = shinglesOf(block);
  const runs = [];
  let at = 0;
  let expected = 0;
  while (at < shingles.length) {
    const found = places.get(shingles[at]);
    if (!found) {
      at += 1;
      continue;
    }
    const before = lastAtMost(found, expected - 1) + 1;
    const first = Math.max(0, before - PLACES / 2);
    const tried = found.slice(first, first + PLACES).map((place) => {
      const most = Math.min(block.length - at, original.length - place);
      let length = SHINGLE;
      while (length < most && block[at + length] === original[place + length]) length += 1;
      return { block: at, original: place, length };
    });
    tried.sort((one, two) => two.length - one.length || one.original - two.original);
    runs.push(...tried.slice(0, KEPT));
    at += tried[0].length - SHINGLE + 1;
    expected = tried[0].original + tried[0].length;
  }
  return runs;
}

function sharedChain(block, original) {
  const runs = sharedRuns(block, original);
  const scores = [];
  const before = [];
  runs.forEach((run, at) => {
    let best = 0;
    let follows = -1;
    for (let earlier = Math.max(0, at - LOOK_BACK); earlier < at; earlier += 1) {
      const other = runs[earlier];
      const reach = other.length - SHINGLE + 1;
      if (other.block + reach > run.block || other.original + reach > run.original) continue;
      const jump = Math.abs(run.block - other.block - (run.original - other.original));
      const score = scores[earlier] - Math.log2(1 + jump) / 2;
      if (score > best) [best, follows] = [score, earlier];
    }
    scores.push(best + run.length - SHINGLE + 1);
    before.push(follows);
  });
  let at = scores.length ? scores.indexOf(scores.reduce((a, b) => Math.max(a, b))) : -1;
  const chain = [];
  for (; at >= 0; at = before[at]) chain.unshift(runs[at]);
  const kept = [];
  let end = 0;
  let originalEnd = 0;
  for (const run of chain) {
    const overlap = Math.max(0, end - run.block, originalEnd - run.original);
    if (overlap >= run.length) continue;
    const [start, place] = [run.block + overlap, run.original + overlap];
    kept.push({ block: start, original: place, length: run.length - overlap });
    [end, originalEnd] = [run.block + run.length, run.original + run.length];
  }
  return kept;
}

// Matching stretches as Python's SequenceMatcher finds them: the longest, then left and right of it.
function matchingBlocks(mine, its) {
  const places = new Map();
  its.forEach((token, place) => {
    if (!places.has(token)) places.set(token, []);
    places.get(token).push(place);
  });
  const found = [];
  const waiting = [[0, mine.length, 0, its.length]];
  while (waiting.length) {
    const [low, high, itsLow, itsHigh] = waiting.pop();
    let [best, at, place] = [0, low, itsLow];
    let lengths = new Map();
    for (let i = low; i < high; i += 1) {
      const next = new Map();
      for (const j of places.get(mine[i]) || []) {
        if (j < itsLow || j >= itsHigh) continue;
        const length = (lengths.get(j - 1) || 0) + 1;
        next.set(j, length);
        if (length > best) [best, at, place] = [length, i - length + 1, j - length + 1];
      }
      lengths = next;
    }
    if (!best) continue;
    found.push([at, place, best]);
    if (low < at && itsLow < place) waiting.push([low, at, itsLow, place]);
    if (at + best < high && place + best < itsHigh) {
      waiting.push([at + best, high, place + best, itsHigh]);
    }
  }
  found.sort((one, two) => one[0] - two[0]);
  const joined = [];
  for (const [at, place, size] of found) {
    const last = joined.at(-1);
    if (last && last[0] + last[2] === at && last[1] + last[2] === place) last[2] += size;
    else joined.push([at, place, size]);
  }
  joined.push([mine.length, its.length, 0]);
  return joined;
}

function alignGap(block, original, [, start, end, originalStart, originalEnd]) {
  const gap = ["changed", start, end, originalStart, originalEnd];
  const sizes = [end - start, originalEnd - originalStart];
  if (!sizes[0] || !sizes[1] || sizes[0] * sizes[1] > DIFFED) return [gap];
  const steps = [];
  let [at, place] = [start, originalStart];
  const matches = matchingBlocks(block.slice(start, end), original.slice(originalStart, originalEnd));
  matches.slice(0, -1).forEach(([a, b, size], number) => {
    const [nextA, nextB] = matches[number + 1];
    const before = Math.max(start + a - at, originalStart + b - place);
    const after = Math.max(nextA - a, nextB - b) - size;
    // A lone "the" in the midst of change tells nobody anything.
    if (Math.min(before, after) > 2 * size || Math.max(before, after) > 6 * size) return;
    const [first, itsFirst] = [start + a, originalStart + b];
    steps.push(["changed", at, first, place, itsFirst]);
    [at, place] = [first + size, itsFirst + size];
    steps.push(["same", first, at, itsFirst, place]);
  });
  return [...steps, ["changed", at, end, place, originalEnd]];
}

function merged(steps) {
  const kept = [];
  for (const step of steps) {
    if (step[1] === step[2] && step[3] === step[4]) continue;
    const last = kept.at(-1);
    if (last && last[0] === step[0]) [last[2], last[4]] = [step[2], step[4]];
    else kept.push([...step]);
  }
  return kept;
}

function sharedPlaces(tokens, other) {
  const known = new Set(shinglesOf(other));
  const shared = new Array(tokens.length).fill(false);
  shinglesOf(tokens).forEach((shingle, at) => {
    if (known.has(shingle)) shared.fill(true, at, at + SHINGLE);
  });
  return shared;
}

function stretches(shared, start, end) {
  const found = [];
  while (start < end) {
    let stop = start + 1;
    while (stop < end && shared[stop] === shared[start]) stop += 1;
    found.push([start, stop, shared[start]]);
    start = stop;
  }
  return found;
}

function parted(step, inBlock, inOriginal) {
  let [, start, , originalStart] = step;
  const [, , end, , originalEnd] = step;
  const mine = stretches(inBlock, start, end);
  const its = stretches(inOriginal, originalStart, originalEnd);
  if (![...mine, ...its].some(([, , shared]) => shared)) return [step];
  const steps = [];
  if (its.length && mine.length && !its[0][2] && !mine[0][2]) {
    const [first, itsFirst] = [mine.shift()[1], its.shift()[1]];
    steps.push(["changed", start, first, originalStart, itsFirst]);
    start = first;
  }
  const kind = (shared) => (shared ? "elsewhere" : "changed");
  for (const [first, last, shared] of its) steps.push([kind(shared), start, start, first, last]);
  for (const [first, last, shared] of mine) {
    steps.push([kind(shared), first, last, originalEnd, originalEnd]);
  }
  return steps;
}

function align(block, original) {
  const steps = [];
  let [at, place] = [0, 0];
  const last = { block: block.length, original: original.length, length: 0 };
  for (const run of [...sharedChain(block, original), last]) {
    steps.push(...alignGap(block, original, ["changed", at, run.block, place, run.original]));
    [at, place] = [run.block + run.length, run.original + run.length];
    steps.push(["same", run.block, at, run.original, place]);
  }
  const [inBlock, inOriginal] = [sharedPlaces(block, original), sharedPlaces(original, block)];
  return merged(steps).flatMap((step) =>
    step[0] === "same" ? [step] : parted(step, inBlock, inOriginal),
  );
}

// Both texts as one: `[kind, text]` with kind same, deleted, inserted or elsewhere.
function differences(blockText, originalText) {
  const parts = [];
  let open = false;
  const add = (kind, mine, its) => {
    if (kind === "same") {
      parts.push(["same", mine]);
      open = false;
      return;
    }
    for (const [name, text] of [["deleted", its], ["inserted", mine]]) {
      if (!text) continue;
      if (open && !/^\s/u.test(text)) parts.push(["same", " "]);
      parts.push([kind === "elsewhere" ? kind : name, text]);
      open = !/\s$/u.test(text);
    }
  };
  const [block, original] = [words(blockText), words(originalText)];
  if (!block.tokens.length || !original.tokens.length) {
    add("changed", blockText, originalText); // punctuation alone, or nothing
    return parts;
  }
  const numbers = new Map();
  const numbered = ({ tokens }) =>
    tokens.map((token) => {
      if (!numbers.has(token)) numbers.set(token, numbers.size);
      return numbers.get(token);
    });
  for (const [kind, ...step] of align(numbered(block), numbered(original))) {
    add(
      kind,
      blockText.slice(block.cuts[step[0]], block.cuts[step[1]]),
      originalText.slice(original.cuts[step[2]], original.cuts[step[3]]),
    );
  }
  return parts;
}
