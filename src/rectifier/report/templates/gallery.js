// Sliders choose among curves that were drawn beforehand; nothing is computed here.
"use strict";
const states = JSON.parse(document.getElementById("the-states").textContent);

for (const entry of document.querySelectorAll("article.entry")) {
  const { sliders, states: drawn } = states[entry.id];
  if (!sliders.length) continue;
  const part = (name) => entry.querySelector(`[data-part="${name}"]`);
  const line = (name) => entry.querySelector(`path[id="${name}-${entry.id}"]`);
  const inputs = [...entry.querySelectorAll("input[type=range]")];
  const facts = entry.querySelector("dl.facts");
  const reset = entry.querySelector(".reset");

  const show = () => {
    let at = 0;
    inputs.forEach((input, n) => {
      at = at * sliders[n].length + Number(input.value);
      const text = sliders[n][input.value];
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector("output").textContent = text;
    });
    const [call, value, valueDot, valueRing, slope, slopeDot, slopeRing, rows] = drawn[at];
    part("call").textContent = call;
    line("value").setAttribute("d", value);
    line("slope").setAttribute("d", slope);
    const dots = { value: [valueDot, valueRing], slope: [slopeDot, slopeRing] };
    for (const [which, [dot, ring]] of Object.entries(dots)) {
      part(`${which}-dot`).setAttribute("d", dot);
      part(`${which}-ring`).setAttribute("d", ring);
      part(`${which}-hole`).setAttribute("d", ring);
    }
    facts.replaceChildren(...rows.map(([label, text]) => {
      const row = document.createElement("div");
      for (const [tag, words] of [["dt", label], ["dd", text]]) {
        const cell = document.createElement(tag);
        cell.textContent = words;
        row.append(cell);
      }
      return row;
    }));
    reset.hidden = inputs.every((input) => input.value === input.defaultValue);
  };
  for (const input of inputs) input.addEventListener("input", show);
  reset.addEventListener("click", () => {
    for (const input of inputs) input.value = input.defaultValue;
    show();
    inputs[0].focus();
  });
  if (inputs.some((input) => input.value !== input.defaultValue)) show(); // a page come back to
}

const filter = document.querySelector("form.filter");
if (filter) {
  const squeeze = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const sift = () => {
    const wanted = squeeze(filter.elements.wanted.value);
    const kind = filter.elements.kind.value;
    let found = 0;
    for (const entry of document.querySelectorAll("article.entry")) {
      const fits = squeeze(entry.dataset.words).includes(wanted) && (!kind || entry.dataset.kind === kind);
      entry.hidden = !fits;
      document.querySelector(`[data-of="${entry.id}"]`).hidden = !fits;
      found += fits;
    }
    document.getElementById("the-count").textContent = wanted || kind ? `${found} found` : "";
  };
  filter.addEventListener("input", sift);
  filter.addEventListener("submit", (event) => event.preventDefault());
}
