// Sends what the page's forms say, and writes the same as a curl line.
"use strict";

const key = document.getElementById("key");
const NO_BODY = new Set(["GET", "HEAD"]);

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function requestOf(form) {
  const values = [...form.querySelectorAll("[data-in]")];
  let path = form.dataset.path.slice(1);
  for (const each of values.filter((one) => one.dataset.in === "path")) {
    path = path.replace(`{${each.name}}`, encodeURIComponent(each.value));
  }
  const query = new URLSearchParams(
    values.filter((each) => each.dataset.in === "query" && each.value !== "").map((each) => [each.name, each.value]));
  const url = new URL(path || "./", document.baseURI);
  url.search = query.toString();
  const body = form.querySelector("textarea")?.value;
  return { method: form.dataset.method, url, body: NO_BODY.has(form.dataset.method) ? undefined : body };
}

function curl(form) {
  const { method, url, body } = requestOf(form);
  const parts = ["curl", method === "GET" ? quoted(url.href) : `-X ${method} ${quoted(url.href)}`];
  if (key.value !== "") parts.push('-H "x-api-key: $API_KEY"');
  if (body !== undefined) {
    let compact = body;
    try {
      compact = JSON.stringify(JSON.parse(body));
    } catch {
      // It is shown as it would be sent.
    }
    parts.push("-H 'content-type: application/json'", `-d ${quoted(compact)}`);
  }
  form.querySelector(".curl").textContent = parts.join(" \\\n  ");
}

function block(label, text) {
  const [title, pre, code] = ["p", "pre", "code"].map((name) => document.createElement(name));
  title.className = "fine";
  title.textContent = label;
  pre.tabIndex = 0;
  code.textContent = text;
  pre.append(code);
  return [title, pre];
}

function readable(type, text) {
  if (!/[/+]json/.test(type)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(form) {
  const reply = form.querySelector(".reply");
  const { method, url, body } = requestOf(form);
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  if (key.value !== "") headers["x-api-key"] = key.value;
  reply.hidden = false;
  try {
    const answer = await fetch(url, { method, headers, body, credentials: "omit" });
    const text = await answer.text();
    const status = document.createElement("p");
    status.className = answer.ok ? "status good" : "status bad";
    status.textContent = `${answer.status} ${answer.statusText}`;
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const type = answer.headers.get("content-type") ?? "";
    reply.replaceChildren(status, ...block("Headers", lines), ...block("Body", readable(type, text)));
  } catch {
    reply.replaceChildren(...block("No answer", "The server can not be reached."));
  }
}

// A link to a message or an operation opens what it leads to.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

for (const form of document.querySelectorAll("form.try")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.addEventListener("input", () => curl(form));
  key.addEventListener("input", () => curl(form));
  curl(form);
}
key.form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", reveal);
reveal();
