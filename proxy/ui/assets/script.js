// What makes the pages better where scripts run; without it they say the same.
"use strict";

// Work that goes on is shown as it does.
if (document.querySelector("[data-live]")) {
  setTimeout(() => location.reload(), 2000);
}

// Commands get a button that copies them.
for (const command of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command: " + command.textContent.trim());
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  command.after(button);
}
