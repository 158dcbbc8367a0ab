"use strict";
// What scripts of pages have in common: every text from outside goes in as text, never as markup.
const make = (tag, name, ...inside) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...inside.filter((part) => part !== null));
  return made;
};
const signed = (x) => (x < 0 ? "\u2212" : "+") + Math.abs(x).toFixed(2);
const plain = (x) => (x < 0 ? "\u2212" : "") + Math.abs(x).toFixed(2);
const percent = (x) => (100 * x).toFixed(x < 0.0995 ? 1 : 0) + " %";

async function unpack(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// Each list offers what there is under the choices before it, and keeps its choice if it can.
function offer(list, entries, key, label) {
  const before = list.value;
  const seen = new Map(entries.map((e) => [String(e[key]), label ? label(e) : String(e[key])]));
  list.replaceChildren(...[...seen].map(([value, text]) => {
    const option = make("option", "", text);
    option.value = value;
    return option;
  }));
  if (seen.has(before)) list.value = before;
  return entries.filter((e) => String(e[key]) === list.value);
}

// A long text scrolls in its place, so that what stands below it is not pushed out of sight.
function reading(text) {
  const made = make("div", "text", text);
  made.tabIndex = 0;
  return made;
}

// A list's entry is cut at its end: say first what tells tasks apart.
function shortened(entry) {
  const parts = entry.task.split("/");
  const named = parts.findIndex((part) => entry.type && part.startsWith(entry.type));
  return named < 0 ? `${entry.type}, ${entry.task}` : parts.slice(named).join("/");
}
