// Sliders between before and after, and keys. Without this script the two stand side by side, and links and buttons do
// the rest.

for (const box of document.querySelectorAll("[data-compare]")) {
  const slider = box.querySelector("input");
  const photo = box.querySelector(".before");
  const cut = () => box.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", cut);
  const begin = () => {
    if (!photo.naturalWidth) return alone();
    box.classList.add("over");
    slider.hidden = false;
    cut();
  };
  const alone = () => { // the store keeps no copy of the photo: nothing to compare with
    photo.remove();
    box.classList.add("single");
  };
  photo.addEventListener("error", alone, { once: true });
  if (photo.complete && photo.currentSrc) begin();
  else photo.addEventListener("load", begin, { once: true });
}

const tiles = () => [...document.querySelectorAll("[data-tiles] > .tile")];
const keys = document.querySelector("[data-keys]");
if (keys) keys.hidden = false;

function step(tile, by) {
  const all = tiles();
  const next = all[tile ? all.indexOf(tile) + by : 0];
  if (next) next.focus();
  return Boolean(next);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary")) return;
  const tile = event.target.closest(".tile");
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: tile && 1, ArrowUp: tile && -1 }[event.key];
  const verdict = { a: "approve", r: "reject" }[event.key];
  if (by && tiles().length) {
    if (step(tile, by)) event.preventDefault();
  } else if (by && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    document.querySelector(`a[rel=${by > 0 ? "next" : "prev"}]`)?.click();
  } else if (verdict) {
    const form = (tile ?? document).querySelector(`form[data-verdict=${verdict}]`);
    if (form && (tile || !tiles().length)) form.requestSubmit();
  } else if (event.key === "Enter" && event.target === tile) {
    tile.querySelector("a")?.click();
  }
});

// After a decision the page comes back at the same picture: go on from there.
const place = location.hash.startsWith("#p") && document.getElementById(location.hash.slice(1));
if (place && place.classList.contains("tile")) place.focus();
