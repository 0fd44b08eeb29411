// What the explorers share.
//
// These are ordinary deferred scripts, and the data are scripts too, because browsers
// load neither modules nor JSON from file://, and the built book must work when it is
// opened from a folder. Each file keeps to itself; all they share is `explorers`.
//
// A fragment of the book holds `<figure data-explorer=NAME>` with a static picture in
// it. `explorers.define(NAME, mount)` puts the explorer in the picture's place. If
// anything fails, the picture stays.
"use strict";

(() => {
    if (window.explorers) {
        return; // The page for printing includes this once for every explorer.
    }

    /** Make an element: `el("b", {class: "x", onclick: f}, "text", child)`. */
    function el(tag, attributes = {}, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes)) {
            if (name.startsWith("on")) {
                element.addEventListener(name.slice(2), value);
            } else if (value !== false && value !== null) {
                element.setAttribute(name, value === true ? "" : value);
            }
        }
        element.append(...children);
        return element;
    }

    /** Thousandths as a percentage, as `percent` in words.py writes it. */
    function percent(thousandths) {
        const number = thousandths > 0 && thousandths < 10
            ? "<1" : Math.floor((thousandths + 5) / 10);
        return `${number}\u202f%`;
    }

    /** A number with two digits. */
    function signed(number) {
        return number.toFixed(2).replace("-", "−");
    }

    /** A token as `shown` in words.py writes it. */
    function shown(token) {
        const word = token.trim();
        if (!word) {
            return token.includes("\n") ? "⏎" : "␣";
        }
        return word === token && /^\p{L}/u.test(word) ? `-${word}` : word;
    }

    /** The tokens of a text: the first has no space before it, and is a word still. */
    function chips(tokens) {
        return tokens.map((token, i) => (i === 0 ? token.trim() : shown(token)));
    }

    /** A vector as a row of cells. */
    function strip(vector, most) {
        const canvas = el("canvas", {
            class: "strip", width: vector.length, height: 1, role: "img",
            "aria-label": `${vector.length} numbers from ${signed(Math.min(...vector))} to ${signed(Math.max(...vector))}`,
        });
        const pixels = new ImageData(vector.length, 1);
        vector.forEach((value, i) => {
            const hue = value > 0 ? [40, 120, 205] : [214, 118, 30];
            pixels.data.set([...hue, 15 + 240 * Math.abs(value) / most], 4 * i);
        });
        canvas.getContext("2d").putImageData(pixels, 0, 0);
        return canvas;
    }

    /** A labelled `<select>`; `change` gets the index. */
    function choice(label, options, change) {
        const select = el(
            "select",
            { onchange: () => change(select.selectedIndex) },
            ...options.map((text) => el("option", {}, text)),
        );
        return el("label", { class: "explorer-choice" }, el("span", {}, label), select);
    }

    /** A labelled slider; `says` turns its value into words, `change` gets it. */
    function slider({ label, min, max, step = 1, value, says = String, change }) {
        const output = el("b", { "aria-hidden": "true" });
        const input = el("input", { type: "range", min, max, step, value });
        const show = () => {
            output.textContent = says(input.valueAsNumber);
            input.setAttribute("aria-valuetext", output.textContent);
        };
        input.addEventListener("input", () => {
            show();
            change(input.valueAsNumber);
        });
        show();
        const root = el(
            "label", { class: "explorer-slider" },
            el("span", {}, label, " ", output), input,
        );
        const set = (number) => {
            input.value = number;
            show();
        };
        return { root, set };
    }

    /** Back, Next and a slider; `change` gets the step, which counts from 0. */
    function stepper(count, change) {
        let step = 0;
        const progress = slider({
            label: "Step", min: 1, max: count, value: 1,
            says: (number) => `${number} of ${count}`, change: (number) => go(number - 1),
        });
        const button = (text, by) => el(
            "button", { type: "button", onclick: () => go(step + by) }, text,
        );
        const back = button("Back", -1);
        const next = button("Next", 1);
        const mark = () => {
            back.setAttribute("aria-disabled", step === 0);
            next.setAttribute("aria-disabled", step === count - 1);
        };
        const go = (to) => {
            step = Math.min(Math.max(to, 0), count - 1);
            progress.set(step + 1);
            mark();
            change(step);
        };
        mark();
        return el("div", {}, el("div", { class: "explorer-buttons" }, next, back), progress.root);
    }

    /**
     * Make the items of a group answer to the arrow keys, Home and End. Only the chosen
     * one is in the tab order. `columns` says how many items make a row; `choose` gets
     * the index of the item to choose.
     */
    function arrows(group, items, chosen, columns, choose) {
        group.addEventListener("keydown", (event) => {
            const steps = {
                ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(),
            };
            if (event.ctrlKey || event.altKey || event.metaKey) {
                return;
            }
            const now = chosen();
            const last = items().length - 1;
            let next = now + (steps[event.key] ?? 0);
            if (event.key === "Home") {
                next = 0;
            } else if (event.key === "End") {
                next = last;
            } else if (!(event.key in steps)) {
                return;
            }
            event.preventDefault();
            if (next >= 0 && next <= last) {
                choose(next);
                items()[next].focus();
            }
        });
    }

    /** Put an item of a group into the tab order, and the others out of it. */
    function tabTo(items, chosen) {
        items.forEach((item, i) => {
            item.tabIndex = i === chosen ? 0 : -1;
            if (item.getAttribute("role") === "radio") {
                item.setAttribute("aria-checked", String(i === chosen));
            }
        });
    }

    const loading = new Map();

    /** Run a script, once; the promise is kept when it has run. */
    function load(path) {
        if (!loading.has(path)) {
            loading.set(path, new Promise((resolve, reject) => {
                document.head.append(el("script", { src: path, onload: resolve, onerror: reject }));
            }));
        }
        return loading.get(path);
    }

    /** Put an explorer in the place of every static picture of its kind. */
    function define(name, mount) {
        const selector = `figure[data-explorer="${name}"]:not([data-ready])`;
        for (const figure of document.querySelectorAll(selector)) {
            const app = el("div", { class: "explorer-app" });
            mount(app, explorers.data[name]);
            // mdBook turns the page on an arrow key.
            app.addEventListener("keydown", (event) => {
                if (event.key.startsWith("Arrow")) {
                    event.stopPropagation();
                }
            });
            figure.querySelector(".explorer-static").after(app);
            figure.dataset.ready = "";
        }
    }

    window.explorers = {
        data: {}, define, load, el, percent, signed, shown, chips, strip, choice, slider, stepper,
        arrows, tabTo,
    };
})();
