// What the course adds to mdBook's own script: the reader's progress, and keys.
"use strict";

(() => {
    const KEY = "gpt2-from-scratch-in-max: steps done";

    /** The numbers of the steps that the reader has ticked, kept in this browser. */
    function load() {
        try {
            const done = JSON.parse(localStorage.getItem(KEY) ?? "[]");
            return new Set(Array.isArray(done) ? done : []);
        } catch {
            return new Set();
        }
    }

    function save(done) {
        try {
            localStorage.setItem(KEY, JSON.stringify([...done].sort((a, b) => a - b)));
        } catch {
            // No storage: the ticks last as long as the page.
        }
    }

    const stepOf = (path) => Number(/step_(\d\d)\.html$/.exec(path)?.[1] ?? 0);
    const done = load();

    function stepLinks() {
        return [...document.querySelectorAll("#mdbook-sidebar .chapter a")]
            .map((link) => [stepOf(new URL(link.href).pathname), link])
            .filter(([step, link]) => step > 0 && !new URL(link.href).hash);
    }

    /** Show in the sidebar what is done. */
    function showProgress() {
        const links = stepLinks();
        const box = document.querySelector("#mdbook-sidebar .sidebar-scrollbox");
        if (!box || links.length === 0) {
            return;
        }
        for (const [step, link] of links) {
            link.classList.toggle("done", done.has(step));
            const title = link.textContent.trim();
            if (done.has(step)) {
                link.setAttribute("aria-label", `${title}, done`);
            } else {
                link.removeAttribute("aria-label");
            }
        }
        let summary = box.querySelector(".progress-summary");
        if (!summary) {
            summary = document.createElement("div");
            summary.className = "progress-summary";
            summary.innerHTML = "<span></span><progress aria-label='Steps done'></progress>";
            box.prepend(summary);
        }
        const count = links.filter(([step]) => done.has(step)).length;
        summary.querySelector("span").textContent = `${count} of ${links.length} steps done`;
        const bar = summary.querySelector("progress");
        bar.max = links.length;
        bar.value = count;
    }

    /** Let the reader tick a step at the end of its chapter. */
    function addTick() {
        const step = stepOf(location.pathname);
        const main = document.querySelector("#mdbook-content main");
        if (!step || !main) {
            return;
        }
        const label = document.createElement("label");
        label.className = "step-done";
        label.innerHTML =
            `<input type="checkbox"><span>Step ${String(step).padStart(2, "0")} is done` +
            "<small>A tick for yourself, kept in this browser.</small></span>";
        const box = label.querySelector("input");
        box.checked = done.has(step);
        box.addEventListener("change", () => {
            if (box.checked) {
                done.add(step);
            } else {
                done.delete(step);
            }
            save(done);
            showProgress();
        });
        main.append(label);
    }

    /** Whatever scrolls sideways can be scrolled with the keyboard. */
    function focusWhatScrolls() {
        for (const part of document.querySelectorAll("pre > code, .table-wrapper")) {
            if (part.scrollWidth > part.clientWidth) {
                part.tabIndex = 0;
            } else {
                part.removeAttribute("tabindex");
            }
        }
    }

    /** mdBook's button for the sidebar is a label: give it a button's keys. */
    function sidebarKeys() {
        const toggle = document.getElementById("mdbook-sidebar-toggle");
        toggle?.addEventListener("keydown", (event) => {
            if (event.key === "Enter" || event.key === " ") {
                event.preventDefault();
                toggle.click();
            }
        });
    }

    /** Copying a command leaves out its prompt; what a program prints is not copied. */
    function mendCopying() {
        for (const sign of document.querySelectorAll("code.language-console .hljs-meta")) {
            if (sign.textContent.trim() === "$") {
                sign.classList.add("prompt");
                sign.textContent = "";
                if (sign.nextSibling) {
                    const rest = sign.nextSibling.textContent;
                    sign.nextSibling.textContent = rest.replace(/^ /, "");
                }
            }
        }
        for (const buttons of document.querySelectorAll("pre > .buttons")) {
            const code = buttons.parentElement.querySelector("code");
            const lines = code.textContent.trim().split("\n").length;
            const commands = code.querySelectorAll(".prompt").length;
            if (commands === lines) {
                code.classList.add("commands");
            } else if (commands || code.classList.contains("language-text")) {
                buttons.remove();
            }
        }
    }

    mendCopying();
    showProgress();
    addTick();
    sidebarKeys();
    focusWhatScrolls();
    window.addEventListener("resize", focusWhatScrolls);
    document.addEventListener("toggle", focusWhatScrolls, true);
})();
