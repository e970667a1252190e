(function () {
  "use strict";
  const one = (selector, within) => (within || document).querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const jobs = all("[data-state]");
  const chosen = { style: "", state: "" };

  // Filters ---------------------------------------------------------------------------------
  const fits = (job) =>
    (!chosen.style || job.dataset.style === chosen.style) &&
    (!chosen.state || job.dataset.state.split(" ").includes(chosen.state));
  function applyFilters() {
    let shown = 0;
    jobs.forEach((job) => { job.hidden = !fits(job); shown += job.hidden ? 0 : 1; });
    all(".product").forEach((product) => { product.hidden = !one(".tile[data-state]:not([hidden])", product); });
    const failures = one(".failures");
    if (failures) failures.hidden = !one("li:not([hidden])", failures);
    const renditions = visibleTiles().length;
    one(".filters output").textContent = renditions + (renditions === 1 ? " rendition" : " renditions") + " shown";
    one(".nothing").hidden = shown > 0 || jobs.length === 0;
  }
  const chips = all(".chips button");
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chosen[chip.dataset.filter] = chip.dataset.value;
    chips.filter((other) => other.dataset.filter === chip.dataset.filter)
      .forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
    applyFilters();
  }));
  one(".filters").hidden = chips.length === 0;

  // Large view ------------------------------------------------------------------------------
  const view = one("dialog"), stage = one(".stage"), slider = one("input", view);
  const now = one(".now"), was = one(".was");
  const visibleTiles = () => all(".tile[data-state]:not(.missing):not([hidden])").filter((tile) => one("img", tile));
  let current = null;

  function moveDivider(percent) {
    const at = Math.min(100, Math.max(0, percent));
    slider.value = at;
    stage.style.setProperty("--at", at + "%");
    one(".tag.left").style.opacity = at < 25 ? 0 : 1;
    one(".tag.right").style.opacity = at > 75 ? 0 : 1;
  }
  // The thumbnail at once, the file itself when it has come; if it has gone, the thumbnail stays.
  function load(target, thumbnail, url) {
    target.src = thumbnail.src;
    target.alt = thumbnail.alt;
    if (!url) return;
    const tile = current, file = new Image();
    file.onload = () => { if (current === tile) target.src = url; };
    file.src = url;
  }
  function show(tile) {
    current = tile;
    const tiles = visibleTiles(), link = one("a.frame", tile), picture = one("img", tile);
    const frame = one(".photo .frame", tile.parentElement), photo = one("img", frame);
    stage.style.setProperty("--shape", picture.getAttribute("width") / picture.getAttribute("height"));
    stage.classList.toggle("compare", Boolean(photo));
    one(".view-bottom").style.visibility = photo ? "visible" : "hidden";
    load(now, picture, link.getAttribute("href"));
    if (photo) load(was, photo, frame.dataset.full); else was.removeAttribute("src");
    one(".tag.right").textContent = tile.dataset.style;
    one(".what").textContent = one("h2", tile.closest(".product")).textContent;
    one(".place").textContent = tile.dataset.style + " · " + (tiles.indexOf(tile) + 1) + " of " + tiles.length;
    one(".full", view).setAttribute("href", link.getAttribute("href"));
    moveDivider(50);
  }
  function step(by) {
    const tiles = visibleTiles();
    show(tiles[(tiles.indexOf(current) + by + tiles.length) % tiles.length]);
  }
  all(".tile[data-state] a.frame").forEach((link) => link.addEventListener("click", (event) => {
    const tile = link.parentElement;
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!plain || !view.showModal || tile.classList.contains("missing") || !one("img", link)) return;
    event.preventDefault();
    show(tile);
    view.showModal();
  }));
  one(".close").addEventListener("click", () => view.close());
  one(".back").addEventListener("click", () => step(-1));
  one(".on").addEventListener("click", () => step(1));
  one(".room").addEventListener("click", (event) => { if (event.target === event.currentTarget) view.close(); });
  slider.addEventListener("input", () => moveDivider(Number(slider.value)));
  view.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target === slider) return;
    event.preventDefault();
    step(by);
  });
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    moveDivider((event.clientX - box.left) / box.width * 100);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!stage.classList.contains("compare") || event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });

  applyFilters();
})();
