// Comfort for the upload page, which works without it: files go in parts and resume; previews follow the sliders.
(() => {
  "use strict";
  const AT_ONCE = 3, TRIES = 8, HASHED_BYTES = 32 * 2 ** 20;
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);

  // --- Sending -------------------------------------------------------------------------------------------------

  class Refused extends Error {}

  async function ask(form, method, path, body, tell) {
    const headers = { "X-CSRF-Token": form.elements.csrf.value, Accept: "application/json" };
    if (!(body instanceof Blob) && body) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(body);
    }
    for (let attempt = 1; ; attempt++) {
      let answer = null;
      try {
        answer = await fetch(path, { method, headers, body, redirect: "manual" });
      } catch (lost) {
        if (attempt >= TRIES) throw new Refused(form.dataset.again);
      }
      if (answer && answer.ok) return answer.status === 204 ? null : answer.json();
      if (answer && answer.type === "opaqueredirect") { location.reload(); throw new Refused(""); } // signed out
      if (answer && answer.status !== 429 && answer.status < 500) {
        const problem = await answer.json().catch(() => ({}));
        throw new Refused(problem.detail || answer.statusText);
      }
      if (attempt >= TRIES) throw new Refused(form.dataset.again);
      tell(form.dataset.again);
      await wait(Math.min(30000, 500 * 2 ** attempt));
    }
  }

  async function digest(file) {
    if (file.size > HASHED_BYTES || !window.crypto || !crypto.subtle) return null;
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function sendFile(form, { file, name }, sent, tell) {
    const draft = form.dataset.upload;
    const upload = await ask(form, "POST", `/upload/${draft}/files`, { name, size: file.size, sha256: await digest(file) }, tell);
    let at = 0;
    for (const part of upload.parts) {
      if (!part.received) await ask(form, "PUT", part.url, file.slice(at, at + part.size), tell);
      at += part.size;
      sent(part.size);
    }
    if (upload.state === "complete") sent(file.size);
    else await ask(form, "POST", `/upload/files/${upload.id}/complete`, null, tell);
  }

  async function sendAll(form, chosen) {
    const box = form.querySelector("[data-progress]"), bar = box.querySelector("progress");
    const line = box.querySelector("p"), refused = box.querySelector("ul");
    const total = chosen.reduce((sum, one) => sum + one.file.size, 0) || 1;
    let bytes = 0, done = 0, taken = 0;
    const queue = [...chosen];
    const show = () => {
      bar.value = bytes / total;
      line.textContent = `${form.dataset.sending}: ${done} / ${chosen.length} · ${mib(bytes)} / ${mib(total)} MiB`;
    };
    const warn = (event) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    form.querySelector("[data-send]").setAttribute("aria-disabled", "true");
    box.hidden = false;
    refused.replaceChildren();
    show();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let one = queue.shift(); one; one = queue.shift()) {
        try {
          await sendFile(form, one, (more) => { bytes += more; show(); }, (text) => { line.textContent = text; });
          taken++;
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          const item = document.createElement("li");
          item.textContent = `${form.dataset.refused}: ${one.name}: ${error.message}`;
          refused.append(item);
        }
        done++;
        show();
      }
    })).finally(() => {
      window.removeEventListener("beforeunload", warn);
      form.querySelector("[data-send]").removeAttribute("aria-disabled");
    });
    const next = `/upload/${form.dataset.upload}`;
    if (!refused.children.length) location.assign(next);
    else if (taken) {
      const link = document.createElement("a"), item = document.createElement("li");
      link.href = next;
      link.textContent = form.dataset.others;
      item.append(link);
      refused.append(item);
    }
  }

  const isLeftOut = (path) => path.split("/").some((part) => part.startsWith(".") || part === "Thumbs.db" || part === "__MACOSX");
  const relative = (path) => path.split("/").slice(1).join("/") || path; // without the folder that was chosen
  const listed = (files) => [...files].map((file) => ({ file, name: file.webkitRelativePath ? relative(file.webkitRelativePath) : file.name }));

  async function entries(entry, path) {
    if (entry.isFile) return [{ file: await new Promise((ok, no) => entry.file(ok, no)), name: path + entry.name }];
    const reader = entry.createReader(), found = [];
    for (;;) {
      const some = await new Promise((ok, no) => reader.readEntries(ok, no));
      if (!some.length) return found;
      for (const one of some) found.push(...await entries(one, `${path}${entry.name}/`));
    }
  }

  async function dropped(data) {
    const plain = listed(data.files); // read now: what was dropped is gone after the first await
    const tops = [...data.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
    if (!tops.length) return plain;
    const found = (await Promise.all(tops.map((top) => entries(top, "")))).flat();
    return tops.length === 1 && tops[0].isDirectory ? found.map((one) => ({ ...one, name: relative(one.name) })) : found;
  }

  function prepare(form) {
    const zone = form.querySelector("[data-drop]"), files = form.elements.files, folder = form.querySelector("#folder");
    form.querySelectorAll("[data-scripted]").forEach((one) => { one.hidden = false; });
    let sending = false;
    const begin = async (chosen) => {
      const wanted = chosen.filter((one) => !isLeftOut(one.name));
      if (sending || !wanted.length) return;
      sending = true;
      try { await sendAll(form, wanted); } finally { sending = false; }
    };
    form.addEventListener("submit", (event) => {
      if (form.elements.addresses.value.trim() || !(files.files.length || sending)) return; // the plain form does that
      event.preventDefault();
      begin(listed(files.files));
    });
    folder.addEventListener("change", () => begin(listed(folder.files)));
    zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      begin(await dropped(event.dataTransfer));
    });
  }

  // --- Look ----------------------------------------------------------------------------------------------------

  function follow(form) {
    const row = form.querySelector("[data-previews]"), hint = form.querySelector("[data-choose]");
    let timer = 0, shown = row.children.length ? query() : "";
    form.querySelectorAll("[data-unscripted]").forEach((one) => { one.hidden = true; });

    function query() {
      const values = new URLSearchParams(new FormData(form));
      values.delete("csrf");
      values.delete("proof");
      values.delete("presets");
      return values.has("styles") ? values.toString() : "";
    }

    function load(figure, src, tries) {
      const image = figure.querySelector("img"), note = figure.querySelector("figcaption");
      figure.setAttribute("aria-busy", "true");
      const mine = () => figure.dataset.src === src;
      figure.dataset.src = src;
      note.textContent = "";
      const end = () => { figure.removeAttribute("aria-busy"); update(); };
      image.onload = () => { if (mine()) end(); };
      image.onerror = async () => {
        if (!mine()) return;
        if (tries) {
          note.textContent = row.dataset.wait;
          await wait(2000);
          if (mine()) load(figure, `${src.replace(/&try=\d+$/, "")}&try=${tries}`, tries - 1);
        } else {
          note.textContent = row.dataset.failed;
          image.hidden = true;
          end();
        }
      };
      image.hidden = false;
      image.src = src;
    }

    function update() {
      const now = query();
      hint.hidden = Boolean(now);
      // One set at a time: what was moved meanwhile is shown next, and what lay between is left out.
      if (now === shown || row.querySelector("[aria-busy]")) return;
      shown = now;
      const wanted = now ? Number(row.dataset.previews) : 0;
      while (row.children.length > wanted) row.lastElementChild.remove();
      while (row.children.length < wanted) {
        const figure = document.createElement("figure"), image = document.createElement("img");
        image.alt = "";
        const note = document.createElement("figcaption");
        note.className = "soft";
        figure.append(image, note);
        row.append(figure);
      }
      [...row.children].forEach((figure, number) => load(figure, `${form.dataset.look}/previews/${number}?${now}`, 2));
    }

    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(update, 350); });
    form.addEventListener("input", (event) => {
      const output = event.target.parentElement.querySelector("output");
      if (output) output.value = event.target.value;
    });
    window.addEventListener("pageshow", update);
  }

  document.querySelectorAll("form[data-upload]").forEach(prepare);
  document.querySelectorAll("form[data-look]").forEach(follow);
})();
