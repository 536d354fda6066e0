// The page of all clips: a table that is searched and sorted where it stands.

const body = document.querySelector("#clips tbody");
const headings = [...document.querySelectorAll("#clips th")];
const search = document.getElementById("search");

search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) found += 1;
  }
  document.getElementById("found").textContent = words.length ? `${found} of ${body.rows.length}` : "";
});

function sortBy(column, descending) {
  const number = headings[column].classList.contains("number");
  const value = (row) => row.cells[column].dataset.value;
  const compare = number ? (a, b) => Number(value(a)) - Number(value(b)) : (a, b) => value(a).localeCompare(value(b));
  const rows = [...body.rows].sort((a, b) => {
    // What is not known comes last, whichever way.
    if (!value(a) || !value(b)) return Number(!value(a)) - Number(!value(b));
    return descending ? compare(b, a) : compare(a, b);
  });
  body.append(...rows);
}

headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const one of headings) one.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  sortBy(column, descending);
}));
