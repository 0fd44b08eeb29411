// One token's attention, a step at a time: query, keys, scores, mask, softmax, mix.
"use strict";

explorers.define("chain", (app, data) => {
    const { el, percent, signed, chips, strip, sentences, choice, stepper, gpt2 } = explorers;
    const counted = (length) => Array.from({ length }, (_, i) => i);

    // What is asked of the model, what it answers, and how far the reader is.
    const state = { text: data.text, block: data.block, head: data.head, at: data.at, step: 0 };
    let seen = data;
    let words = [];
    let asked = 0;

    // What a step says, and which columns are there from this step on.
    const STEPS = [
        ["key", () => `“${word()}” has made a query. Every token has made a key. A cell is a number: blue is above zero, orange below, and the stronger the farther.`],
        ["product", () => `Query times key, number by number, added up: a large product says that the key fits the question. “${words[best("products")]}” fits best.`],
        ["score", () => `Divided by √${seen.query.length} = ${signed(Math.sqrt(seen.query.length))}, the products are scores.`],
        ["mask", () => (state.at === words.length - 1
            ? `The mask adds −∞ to what comes later. Nothing comes after “${word()}”.`
            : `The mask adds −∞ to what comes later: ${words.length - 1 - state.at} scores are out.`)],
        ["weight", () => `Softmax makes attention weights of the scores: they sum to 1, and “${words[best("weights")]}” has ${share(seen.weights[best("weights")])}.`],
        ["value", () => `Every token has made a value, too. Each counts as much as its weight, and their sum is what “${word()}” hears in this head.`],
    ];

    const tokenSelect = el("select", { onchange: () => ask({ at: tokenSelect.selectedIndex }) });
    const blockChoice = choice("Block", counted(data.blocks), (block) => ask({ block }));
    const headChoice = choice("Head", counted(data.heads), (head) => ask({ head }));
    blockChoice.querySelector("select").selectedIndex = state.block;
    headChoice.querySelector("select").selectedIndex = state.head;
    const says = el("p", { class: "explorer-says", role: "status" });
    const table = el("table", { class: "chain" });
    app.append(
        sentences({
            label: "Sentence", texts: [data.text], given: [data], what: "chain",
            choose: ({ text, at }) => ask({ text, at }),
        }),
        el(
            "div", { class: "chain-choices" },
            el("label", { class: "explorer-choice" }, el("span", {}, "Who asks"), tokenSelect),
            blockChoice, headChoice,
        ),
        stepper(STEPS.length, (step) => {
            state.step = step;
            draw();
        }),
        says, table,
    );
    draw();

    /** Have the model tell the same of another token, block or head. */
    async function ask(change) {
        Object.assign(state, change);
        const mine = ++asked;
        try {
            const answer = await gpt2.ask("chain", state.text, state.block, state.head, state.at);
            if (mine === asked) {
                seen = answer;
                draw();
            }
        } catch {
            says.textContent = "The model could not be loaded.";
        }
    }

    function word() {
        return words[state.at];
    }

    /** The token with the largest of some numbers, of those that may be seen. */
    function best(what) {
        const visible = seen[what].slice(0, state.at + 1);
        return visible.indexOf(Math.max(...visible));
    }

    function share(weight) {
        return percent(Math.floor(weight * 1000 + 0.5));
    }

    function draw() {
        words = chips(seen.tokens);
        tokenSelect.replaceChildren(...words.map((each) => el("option", {}, each)));
        tokenSelect.selectedIndex = state.at;
        const shown = (name) => state.step >= STEPS.findIndex(([each]) => each === name);
        const strongest = Math.max(...[seen.query, ...seen.keys].flat().map(Math.abs));
        const loudest = Math.max(...seen.values.flat().map(Math.abs));
        const columns = [
            ["key", (i) => strip(seen.keys[i], strongest)],
            ["product", (i) => signed(seen.products[i])],
            ["score", (i) => signed(seen.scores[i])],
            ["mask", (i) => (i > state.at ? "−∞" : "0")],
            ["weight", (i) => el(
                "span", { class: "weight", style: `--weight:${seen.weights[i]}` }, share(seen.weights[i]),
            )],
            ["value", (i) => strip(seen.values[i], loudest)],
        ].filter(([name]) => shown(name));
        const cells = (tag, make) => columns.map(([name, cell]) => el(tag, { class: name }, make(name, cell)));
        table.replaceChildren(
            el("caption", {}, `Block ${state.block}, head ${state.head}. The query of “${word()}”: `, strip(seen.query, strongest)),
            el("thead", {}, el("tr", {}, el("td"), ...columns.map(([name]) => el("th", { scope: "col", class: name }, name)))),
            el("tbody", {}, ...words.map((each, i) => el(
                "tr", { class: shown("mask") && i > state.at ? "masked" : false, "aria-current": i === state.at && "true" },
                el("th", { scope: "row" }, each), ...cells("td", (_, cell) => cell(i)),
            ))),
        );
        if (shown("value")) {
            table.append(el("tfoot", {}, el(
                "tr", {}, el("th", { scope: "row" }, "mix"),
                ...cells("td", (name) => (name === "value" ? strip(seen.mix, loudest) : "")),
            )));
        }
        says.textContent = STEPS[state.step][1]();
    }
});
