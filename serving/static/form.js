// Sends the row of the form and shows what comes back. The server alone judges values: nothing is refused here.
"use strict";

const form = document.getElementById("form");
const alertBox = document.getElementById("alert");
const access = document.getElementById("access");
const key = document.getElementById("key");
const result = document.getElementById("result");
const fields = [...form.querySelectorAll("[data-field]")];
const { version, positive, level } = form.dataset;
const threshold = form.dataset.threshold === undefined ? null : Number(form.dataset.threshold);
const classes = JSON.parse(form.dataset.classes);
const notes = JSON.parse(form.dataset.notes);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const UNIT = "\u00a0%"; // never alone on a line
const SHOWN = 6;
const LEAST = 0.0005;
let sent = 0;

function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (property.includes("-") || property === "role") element.setAttribute(property, value);
    else element[property] = value;
  }
  element.append(...children);
  return element;
}

function percent(share, digits = 1) {
  const least = 10 ** -digits;
  if (share > 0 && share * 100 < least) return `< ${least}${UNIT}`;
  if (share < 1 && share * 100 > 100 - least) return `> ${100 - least}${UNIT}`;
  return `${(share * 100).toFixed(digits)}${UNIT}`;
}

function points(share) {
  return `${share < 0 ? "−" : "+"}${(Math.abs(share) * 100).toFixed(1)}`;
}

// Text that is no number is sent as it is, for the server to name it; one too large for JSON too, or it became null.
function valueOf(field) {
  const text = field.value.trim();
  if (text === "") return undefined;
  if (field.tagName === "SELECT") return JSON.parse(text);
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

function rowOf() {
  const values = fields.map((field) => [field.name, valueOf(field)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function labelOf(field) {
  return field.labels[0].firstElementChild.textContent;
}

function shownValue(field) {
  if (field.value.trim() === "") return "not measured";
  if (field.tagName === "SELECT") return field.selectedOptions[0].textContent;
  const unit = field.nextElementSibling;
  return unit ? `${field.value.trim()}\u00a0${unit.textContent}` : field.value.trim();
}

function complaint(error) {
  const allowed = error.allowed.replace(/, or null$/, "");
  if (error.value === null) return `This is needed: ${allowed}.`;
  return `“${error.value}” does not fit; allowed: ${allowed}.`;
}

function clearProblems() {
  alertBox.hidden = true;
  for (const field of fields) clearField(field);
}

function clearField(field) {
  const said = document.getElementById(`${field.id}-error`);
  field.removeAttribute("aria-invalid");
  said.hidden = true;
  said.textContent = "";
}

function alertOf(text) {
  alertBox.textContent = text;
  alertBox.hidden = false;
}

function showProblem(status, problem) {
  const errors = new Map((problem.errors ?? []).map((error) => [error.field, error]));
  const wrong = fields.filter((field) => errors.has(field.dataset.field));
  for (const field of wrong) {
    const said = document.getElementById(`${field.id}-error`);
    field.setAttribute("aria-invalid", "true");
    said.textContent = complaint(errors.get(field.dataset.field));
    said.hidden = false;
  }
  result.replaceChildren(make("p", { className: "fine", textContent: "There is no answer: see the form." }));
  if (wrong.length > 0) {
    alertOf(wrong.length === 1 ? "One value does not fit." : `${wrong.length} values do not fit.`);
    wrong[0].focus();
    return;
  }
  alertOf(problem.detail ?? `The server answered ${status}.`);
  if (status === 401 || status === 403) {
    access.hidden = false;
    key.focus();
  } else {
    alertBox.focus();
  }
}

// One request id for both, so that one version answers both wherever several share the traffic.
async function ask(path, row, id) {
  const headers = { "content-type": "application/json", "x-request-id": id };
  if (key.value !== "") headers["x-api-key"] = key.value;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(row), credentials: "omit" });
  let body = {};
  try {
    body = await answer.json();
  } catch {
    body = { detail: `The server answered ${answer.status} without a document.` };
  }
  return { ok: answer.ok, status: answer.status, body };
}

function requestId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bar(share, name) {
  const fill = make("span", { className: "fill" });
  fill.style.width = `${share * 100}%`;
  return make("span", { className: "track", role: "img", "aria-label": `${name}: ${percent(share)}` }, fill);
}

function gauge(answer, known) {
  const track = bar(answer.probability, `Probability of ${positive}`);
  const parts = [track];
  let side = `“${answer.label}” is the answer.`;
  if (known) {
    const mark = make("span", { className: "mark" });
    mark.style.left = `${threshold * 100}%`;
    track.append(mark);
    const above = answer.prediction === classes.length - 1;
    const at = `${Number((threshold * 100).toPrecision(6))}${UNIT}`;
    side = `${above ? "At or above" : "Below"} the threshold of ${at}, from which “${positive}” is answered.`;
  }
  return [...parts, make("p", { className: "side", textContent: side })];
}

function likeliest(answer) {
  const ordered = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const items = ordered.map(([label, share]) => {
    const chosen = label === answer.label ? "chosen" : "";
    const figure = make("span", { className: "figure", textContent: percent(share) });
    return make("li", { className: chosen }, make("span", { textContent: label }), figure, bar(share, label));
  });
  return [make("ul", { className: "classes" }, ...items),
    make("p", { className: "side", textContent: "The likeliest class is answered." })];
}

// Which classes can not be ruled out, whatever is answered: the threshold weighs errors, the set does not.
function possible(answer) {
  if (answer.interval === undefined) return [];
  const { level: share, labels } = answer.interval;
  const named = labels.map((label) => `“${label}”`).join(" and ");
  const held = `in a set that holds the true class in ${percent(share, 0)} of rows like the training rows`;
  const all = labels.length === classes.length ? "No class can be ruled out: " : "";
  const said = labels.length === 1 ? `Only ${named} is ${held}.` : `${all}${named} are ${held}.`;
  const overruled = labels.includes(answer.label)
    ? ""
    : ` “${answer.label}” is answered all the same: the threshold weighs what a miss and a false alarm cost.`;
  return [make("p", { className: "remark", textContent: `${said}${overruled}` })];
}

function contribution(each, widest) {
  const field = fields.find((one) => one.name === each.feature);
  const fill = make("span", { className: each.contribution < 0 ? "fill lowers" : "fill raises" });
  fill.style.width = `${(Math.abs(each.contribution) / widest) * 50}%`;
  const what = make("span", {}, field ? `${labelOf(field)}: ` : each.feature,
    make("strong", { textContent: field ? shownValue(field) : "" }));
  const error = each.standard_error > LEAST ? ` ± ${(each.standard_error * 100).toFixed(1)}` : "";
  const figure = make("span", { className: "figure", textContent: `${points(each.contribution)}${error}` });
  return make("li", {}, what, figure, make("span", { className: "track split", "aria-hidden": "true" }, fill));
}

function explained(explanation) {
  const heading = make("h3", { textContent: "What moved it" });
  if (!explanation.ok) {
    const why = explanation.body.detail ?? `the server answered ${explanation.status}`;
    return [heading, make("p", { className: "fine", textContent: `Not available: ${why}` })];
  }
  const { contributions, baseline, probability, background_rows: rows, exact, explained: label } = explanation.body;
  const top = contributions.slice(0, SHOWN).filter((each) => Math.abs(each.contribution) >= LEAST);
  const rest = contributions.slice(top.length);
  const widest = Math.max(...top.map((each) => Math.abs(each.contribution)), LEAST);
  const items = top.map((each) => contribution(each, widest));
  if (rest.length > 0) {
    const others = rest.length === 1 ? "One other field" : `${rest.length} other fields together`;
    const sum = rest.reduce((total, each) => total + each.contribution, 0);
    const figure = make("span", { className: "figure", textContent: points(sum) });
    items.push(make("li", {}, make("span", { textContent: others }), figure));
  }
  const from = `Percentage points from ${percent(baseline)}, the mean probability of “${label}” over ${rows} training ` +
    `rows, to ${percent(probability)}${exact ? "" : "; estimated, ± is the standard error"}. ` +
    "They say what the model made of the values, not what caused what.";
  return [heading, make("p", { className: "fine", textContent: from }),
    make("ol", { className: "contributions" }, ...items)];
}

function remarks(own, novelty) {
  const beyond = fields.filter((field) => novelty?.fields.includes(field.name));
  const fresh = beyond.map((field) => `New to the model: no training row reaches ${labelOf(field)} ${shownValue(field)}.`);
  const within = fields.filter((field) => field.dataset.low !== undefined && !beyond.includes(field));
  const unusual = within.flatMap((field) => {
    const { low, high } = field.dataset;
    const value = valueOf(field);
    const outside = typeof value === "number" && (value < Number(low) || value > Number(high));
    const range = `${Number(Number(low).toPrecision(3))} to ${Number(Number(high).toPrecision(3))}`;
    return outside && own ? [`Unusual: ${labelOf(field)} ${shownValue(field)}; 98${UNIT} of the training rows had ${range}.`] : [];
  });
  const empty = fields.filter((field) => field.value.trim() === "").map(labelOf);
  const missing = empty.length > 0 ? [`Taken as not measured: ${empty.join(", ")}.`] : [];
  return [...fresh, ...unusual, ...missing].map((text) => make("p", { className: "remark", textContent: text }));
}

function show(answer, explanation) {
  const binary = answer.probabilities === undefined;
  const own = answer.version === version;
  const about = binary ? positive ?? classes[classes.length - 1] : answer.label;
  const figure = make("p", { className: "probability" }, make("strong", { textContent: percent(answer.probability) }),
    ` probability of “${about}”`);
  const note = own
    ? notes[answer.prediction]
    : `Version ${answer.version} answered; the figures on this page are of version ${version}. Reload to see its own.`;
  result.replaceChildren(
    make("p", { className: "label", textContent: answer.label }),
    figure,
    ...(binary ? gauge(answer, own && threshold !== null) : likeliest(answer)),
    ...possible(answer),
    ...remarks(own, answer.novelty),
    make("p", { className: "note", textContent: note }),
    ...explained(explanation),
    make("p", { className: "fine", textContent:
      `${answer.model}, version ${answer.version}. Request ${answer.request_id}.` }),
  );
  result.parentElement.scrollIntoView({ block: "nearest" });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearProblems();
  const number = ++sent;
  const [row, id] = [rowOf(), requestId()];
  form.setAttribute("aria-busy", "true");
  try {
    let prediction = await ask(level === undefined ? "predict" : `predict?interval=${level}`, row, id);
    if (prediction.status === 404) prediction = await ask("predict", row, id); // by a version without such sets
    const explanation = prediction.ok ? await ask("explain", row, id) : prediction;
    if (number !== sent) return;
    if (prediction.ok) show(prediction.body, explanation);
    else showProblem(prediction.status, prediction.body);
  } catch {
    if (number === sent) showProblem(0, { detail: "The server can not be reached." });
  } finally {
    if (number === sent) form.removeAttribute("aria-busy");
  }
});

form.addEventListener("reset", () => {
  sent += 1;
  clearProblems();
  result.replaceChildren(make("p", { className: "fine", textContent: "It stands here once the row is sent." }));
  fields[0].focus();
});

for (const field of fields) field.addEventListener("input", () => clearField(field));

document.getElementById("example").addEventListener("click", () => {
  const example = JSON.parse(form.dataset.example);
  clearProblems();
  for (const field of fields) {
    const value = example[field.name];
    if (value === undefined || value === null) field.value = "";
    else if (field.tagName !== "SELECT") field.value = String(value);
    else {
      // 1, 1.0 and true are one value to the server.
      const same = (option) => option.value !== "" &&
        (JSON.parse(option.value) === value || Number(JSON.parse(option.value)) === Number(value));
      field.value = [...field.options].find(same)?.value ?? "";
    }
  }
});
