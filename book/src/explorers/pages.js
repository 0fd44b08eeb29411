// Texts that come and go in a paged cache, as the scheduler of step 18 lets them.
"use strict";

explorers.define("pages", (app, data) => {
    const { el, stepper } = explorers;
    const listed = (pages) => (pages.length === 1 ? `page ${pages[0]}`
        : `pages ${pages.slice(0, -1).join(", ")} and ${pages.at(-1)}`);
    const column = (name) => el("th", { scope: "col" }, name);

    const says = el("p", { class: "explorer-says", role: "status" });
    const texts = el("tbody");
    const memory = el("tbody");
    app.append(
        stepper(data.steps.length, (number) => show(data.steps[number])),
        says,
        el(
            "div", { class: "pages" },
            el(
                "table", { "aria-label": "Texts" },
                el("thead", {}, el("tr", {}, ...["text", "tokens", "pages"].map(column))),
                texts,
            ),
            el("table", { class: "pool", "aria-label": "The memory of the cache" }, memory),
        ),
    );
    show(data.steps[0]);

    function show(step) {
        says.textContent = told(step);
        texts.replaceChildren(...data.texts.map((name) => el(
            "tr", {},
            el("th", { scope: "row", class: `text-${name}` }, name),
            el("td", {}, step.tokens[name] ?? ""), el("td", {}, standing(step, name)),
        )));
        memory.replaceChildren(...Array.from({ length: data.pages }, (_, page) => el(
            "tr", {}, el("th", { scope: "row" }, `page ${page}`), ...slots(step, page),
        )));
    }

    /** The page table of a text, or why it has none. */
    function standing({ tables, waiting, done }, name) {
        if (name in tables) {
            return tables[name].join(", ");
        }
        if (name in waiting) {
            return `waits: ${waiting[name]}`;
        }
        return done.includes(name) ? "done" : "";
    }

    /** What happens in a step, in the order in which it does. */
    function told(step) {
        const done = Object.entries(step.left).map(
            ([name, pages]) => `${name} is done: ${listed(pages)} ${pages.length === 1 ? "is" : "are"} free.`,
        );
        const come = step.came.length ? [`${step.came.join(" and ")} ${step.came.length === 1 ? "comes" : "come"}.`] : [];
        const got = Object.entries(step.got).filter(([, pages]) => pages.length).map(
            ([name, pages]) => (step.cached[name] === 0
                ? `${name} begins with ${listed(pages)}.` : `${name} gets ${listed(pages)}.`),
        );
        const waiting = Object.entries(step.waiting).map(([name, why]) => `${name} waits: ${why}.`);
        const events = [...done, ...come, ...got, ...waiting];
        return events.length ? events.join(" ") : `${Object.keys(step.tables).join(" and ")} go on.`;
    }

    /** The slots of a page: whose token each holds, and whether this step reads it. */
    function slots(step, page) {
        const owner = Object.keys(step.tables).find((name) => step.tables[name].includes(page));
        return Array.from({ length: data.page_size }, (_, slot) => {
            const place = owner ? step.tables[owner].indexOf(page) * data.page_size + slot : 0;
            if (!owner || place >= step.tokens[owner]) {
                return el("td");
            }
            const fresh = place >= step.cached[owner] ? " new" : "";
            return el("td", { class: `text-${owner}${fresh}` }, `${owner}${place}`);
        });
    }
});
