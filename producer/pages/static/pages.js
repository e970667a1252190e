// Comfort on top of pages that work without it.

// A sign-in link carries its code behind the #, which browsers send to nobody.
const signIn = document.querySelector("form[data-sign-in]");
function signInByLink() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!signIn || !code) return;
  history.replaceState(null, "", location.pathname + location.search);
  signIn.elements.secret.value = code;
  signIn.submit();
}
signInByLink();
window.addEventListener("hashchange", signInByLink);

// A form that was sent is not sent again by a second click; the server would not do it twice, but could say so.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => { // also when the back button shows the page as it was left
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
});

// A language chosen is a language shown.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
