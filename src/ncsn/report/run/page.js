"use strict";
// Without this script the page says the same; pictures then do not open in full size.

function showRun(place) {
  const run = window.ncsnRun;
  if (!run) return;
  place.replaceChildren([run.date, run.commit, run.machine].filter(Boolean).join(" · "));
  const link = document.createElement("a");
  link.href = run.link;
  link.textContent = "the run in MLflow";
  place.append(" · ", link, run.serve ? ` while ${run.serve} runs` : "");
}

// The page is the same for equal runs; what belongs to one of them lies beside it.
const place = document.getElementById("run");
if (location.pathname.endsWith(`/${place.dataset.page}`)) {
  const script = document.createElement("script");
  script.src = place.dataset.script;
  script.onload = () => showRun(place);
  document.head.append(script);
}

const full = document.createElement("dialog");
full.className = "full";
full.addEventListener("click", () => full.close());
document.body.append(full);
for (const image of document.querySelectorAll("figure img")) {
  const open = () => {
    const copy = image.cloneNode();
    copy.removeAttribute("tabindex");
    full.replaceChildren(copy);
    full.classList.toggle("chart", image.closest("figure").classList.contains("chart"));
    full.showModal();
  };
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.addEventListener("click", open);
  image.addEventListener("keydown", (event) => event.key === "Enter" && open());
}
