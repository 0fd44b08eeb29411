// A text written token by token, without a KV cache and with one: what each pass computes.
"use strict";

explorers.define("cache", (app, data) => {
    const { el, chips, strip, sentences, stepper } = explorers;
    const rows = (count) => `${count} row${count === 1 ? "" : "s"}`;
    const sum = (counts) => counts.reduce((total, count) => total + count, 0);

    let seen = data; // what was written, and what is kept of it
    let step = 0;

    const says = el("p", { class: "explorer-says", role: "status" });
    const table = el("table", { class: "cache", "aria-label": "Computed and kept" });
    app.append(
        sentences({
            label: "Prompt", texts: [data.text], given: [data], what: "cache",
            choose: (answer) => {
                seen = answer;
                draw();
            },
        }),
        stepper(data.read.length, (to) => {
            step = to;
            draw();
        }),
        says, table,
    );
    draw();

    function draw() {
        const words = chips(seen.tokens);
        const computed = seen.read.slice(0, step + 1);
        const length = sum(computed); // how many tokens are read so far
        const now = computed[step];
        const again = sum(computed.map((_, i) => sum(computed.slice(0, i + 1))));
        const strongest = (vectors) => Math.max(...vectors.flat().map(Math.abs));
        const [loudKey, loudValue] = [strongest(seen.keys), strongest(seen.values)];
        const cell = (name) => el("td", { class: name }, name === "kept" ? "kept" : "computed");
        const column = (name) => el("th", { scope: "col" }, name);
        table.replaceChildren(
            el("thead", {}, el("tr", {}, el("td"), ...["no cache", "KV cache", "key", "value"].map(column))),
            el("tbody", {}, ...words.slice(0, length).map((word, i) => el(
                "tr", {},
                el("th", { scope: "row" }, word), cell("anew"), cell(i < length - now ? "kept" : "anew"),
                el("td", {}, strip(seen.keys[i], loudKey)), el("td", {}, strip(seen.values[i], loudValue)),
            ))),
            el(
                "tfoot", {},
                total("this pass", length, now),
                total("all passes", again, length),
            ),
        );
        const next = `The model chooses “${words[length]}”.`;
        says.textContent = step === 0
            ? `Prefill: nothing is kept yet, so all ${length} tokens of the prompt are computed. ${next}`
            : `Decode: without a cache, all ${length} tokens are computed again. With it, only “${words[length - 1]}”: its query meets ${length - 1} keys that were kept, and its own. ${next}`;
    }

    function total(name, without, withCache) {
        return el(
            "tr", {}, el("th", { scope: "row" }, name),
            el("td", {}, rows(without)), el("td", {}, rows(withCache)), el("td"), el("td"),
        );
    }
});
