(function () {
  "use strict";
  const seconds = Number(document.body.dataset.refresh);
  // Only what is live is replaced, so that nothing is lost of what somebody is writing.
  async function look() {
    if (document.hidden) return;
    const answer = await fetch(location.origin + "/admin/live");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const gone = Array.from(document.querySelectorAll("[data-live]")).filter((part) => {
      const now = fresh.getElementById(part.id);
      if (now) part.replaceChildren(...now.childNodes);
      return !now;
    });
    if (gone.length && !document.querySelector("details.act[open]")) location.reload();
  }
  if (seconds) setInterval(() => look().catch(() => {}), 1000 * seconds);
})();
