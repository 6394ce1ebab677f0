// What makes the pages better where scripts run; without it they say the same.
"use strict";

// Work that goes on is shown as it does.
if (document.querySelector("[data-live]")) {
  setTimeout(() => location.reload(), 2000);
}

// Commands and digests get a button that copies them, whole where they are shown short.
for (const shown of document.querySelectorAll("[data-copy]")) {
  const text = shown.dataset.copy || shown.textContent.trim();
  const called = shown.dataset.called || "the command";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy " + called);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without TLS browsers give pages no clipboard: what is to be copied is chosen.
      shown.textContent = text;
      getSelection().selectAllChildren(shown);
      button.textContent = "Chosen";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  (shown.closest("a") || shown).after(button);
}
