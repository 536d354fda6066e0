// The page of an evaluation: its plots, each drawn when it comes into view.

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    const { figure, number } = entry.target.dataset;
    draw(entry.target, number === undefined ? page.figures[figure] : page.figures[figure][number]);
  }
}, { rootMargin: "400px" });
for (const element of document.querySelectorAll("[data-figure]")) seen.observe(element);
document.documentElement.dataset.ready = "yes";
