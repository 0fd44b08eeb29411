// Temperature, top-k and top-p over what the demo model says comes next.
"use strict";

explorers.define("sampling", (app, data) => {
    const { el, percent, shown, sentences, slider } = explorers;
    const BARS = 12; // sampling.py has the same
    const MOST_K = 50;
    const vocabulary = data.tokens.length.toLocaleString("en");

    // What the static picture shows: sampling.py has the same.
    const state = { prompt: data.prompts[0], temperature: 0.7, topK: 8, topP: 1, seed: 1 };
    let before = []; // probabilities by token id
    let after = [];
    let order = []; // token ids, the likeliest first
    let counts = new Map();
    let drawn = 0;
    let random = generator(state.seed);

    const rows = Array.from({ length: BARS + 1 }, () => {
        const parts = {
            name: el("th", { scope: "row" }),
            bars: el("td", { class: "bars" }, el("i", { class: "before" }), el("i", { class: "after" })),
            before: el("td"), after: el("td"), count: el("td"),
        };
        return { ...parts, row: el("tr", {}, ...Object.values(parts)) };
    });
    const table = el(
        "table", { class: "sampling-bars" },
        el("caption"),
        el(
            "thead", {},
            el(
                "tr", {},
                el("th", { scope: "col" }, "token"), el("td"),
                ...["before", "after", "drawn"].map((name) => el("th", { scope: "col" }, name)),
            ),
        ),
        el("tbody", {}, ...rows.map(({ row }) => row)),
    );
    const says = el("p", { class: "explorer-says", role: "status" });
    const sliders = {
        temperature: slider({
            label: "Temperature", min: 0, max: 2, step: 0.1, value: state.temperature,
            says: (t) => (t === 0 ? "0, always the likeliest" : t.toFixed(1)),
            change: (value) => set({ temperature: value }),
        }),
        topK: slider({
            label: "Top-k", min: 1, max: MOST_K + 1, value: state.topK,
            says: (k) => (k > MOST_K ? "off" : String(k)),
            change: (value) => set({ topK: value > MOST_K ? 0 : value }),
        }),
        topP: slider({
            label: "Top-p", min: 0.05, max: 1, step: 0.05, value: state.topP,
            says: (p) => (p === 1 ? "off" : p.toFixed(2)),
            change: (value) => set({ topP: value }),
        }),
    };
    const seed = el("input", {
        type: "number", min: 0, max: 999999, value: state.seed, inputmode: "numeric",
        onchange: () => set({ seed: Math.max(0, Math.trunc(seed.valueAsNumber || 0)) }),
    });
    const button = (text, action) => el("button", { type: "button", onclick: action }, text);
    app.append(
        sentences({
            label: "Text so far", texts: data.prompts.map(({ text }) => text),
            given: data.prompts, what: "next", choose: (prompt) => set({ prompt }),
        }),
        el(
            "div", { class: "explorer-sliders" },
            ...Object.values(sliders).map(({ root }) => root),
        ),
        el(
            "div", { class: "explorer-buttons" },
            button("Draw", () => draw(1)),
            button("Draw 100", () => draw(100)),
            button("Start over", startOver),
            el("label", {}, "Seed ", seed),
        ),
        says, table,
    );
    set({});

    function set(change) {
        Object.assign(state, change);
        const logits = Array.from(state.prompt.logits);
        before = softmax(logits);
        after = afterSettings(logits);
        order = logits.map((_, id) => id).sort((a, b) => logits[b] - logits[a]);
        startAgain();
        const left = after.filter((p) => p > 0).length;
        says.textContent = left === 1
            ? `Only “${shown(data.tokens[order[0]])}” can be drawn.`
            : `${left.toLocaleString("en")} of ${vocabulary} tokens can be drawn.`;
        show();
    }

    /** The probabilities that are drawn from: past top-k, the temperature and top-p. */
    function afterSettings(logits) {
        if (state.temperature === 0) {
            const best = logits.indexOf(Math.max(...logits));
            return logits.map((_, id) => (id === best ? 1 : 0));
        }
        let kept = logits;
        if (state.topK > 0) {
            const border = [...logits].sort((a, b) => b - a)[state.topK - 1];
            kept = logits.map((logit) => (logit < border ? -Infinity : logit));
        }
        const probabilities = softmax(kept.map((logit) => logit / state.temperature));
        if (state.topP === 1) {
            return probabilities;
        }
        // From the least likely up: drop tokens as long as 1 - p holds all that is dropped.
        const ascending = probabilities.map((_, id) => id)
            .sort((a, b) => probabilities[a] - probabilities[b]);
        const best = ascending.pop();
        let dropped = 0;
        for (const id of ascending) {
            dropped += probabilities[id];
            if (dropped > 1 - state.topP) {
                break;
            }
            probabilities[id] = 0;
        }
        const sum = probabilities.reduce((a, b) => a + b, 0);
        return sum > 0 ? probabilities.map((p) => p / sum) : probabilities.fill(1, best, best + 1);
    }

    function softmax(logits) {
        const most = Math.max(...logits);
        const weights = logits.map((logit) => Math.exp(logit - most));
        const sum = weights.reduce((a, b) => a + b, 0);
        return weights.map((weight) => weight / sum);
    }

    function startAgain() {
        counts = new Map();
        drawn = 0;
        random = generator(state.seed);
    }

    function startOver() {
        startAgain();
        says.textContent = `Nothing drawn yet. Seed ${state.seed} again.`;
        show();
    }

    function draw(times) {
        let id = 0;
        for (let i = 0; i < times; i++) {
            id = drawOne();
            counts.set(id, (counts.get(id) ?? 0) + 1);
            drawn += 1;
        }
        const token = data.tokens[id];
        says.textContent = times === 1
            ? `Draw ${drawn}: “… ${tail(state.prompt.text)}${token}” (${share(after[id])}).`
            : `${drawn} drawn, ${counts.size} different tokens. The last one: “${shown(token)}”.`;
        show(id);
    }

    function tail(text) {
        return text.split(" ").slice(-3).join(" ");
    }

    function drawOne() {
        const goal = random();
        let sum = 0;
        let last = order[0];
        for (const id of order) {
            if (after[id] > 0) {
                sum += after[id];
                last = id;
                if (goal < sum) {
                    break;
                }
            }
        }
        return last;
    }

    function share(probability) {
        return percent(Math.floor(probability * 1000 + 0.5));
    }

    function show(latest = null) {
        const first = order.slice(0, BARS);
        const rest = order.slice(BARS);
        const total = (values) => rest.reduce((sum, id) => sum + values[id], 0);
        const lines = first.map((id) => ({
            name: shown(data.tokens[id]), before: before[id], after: after[id],
            count: counts.get(id) ?? 0, latest: id === latest,
        }));
        lines.push({
            name: "all others", before: total(before), after: total(after),
            count: rest.reduce((sum, id) => sum + (counts.get(id) ?? 0), 0),
            latest: rest.includes(latest),
        });
        const widest = Math.max(...lines.flatMap((line) => [line.before, line.after]));
        lines.forEach((line, i) => {
            const cells = rows[i];
            cells.name.textContent = line.name;
            cells.bars.children[0].style.width = `${100 * line.before / widest}%`;
            cells.bars.children[1].style.width = `${100 * line.after / widest}%`;
            cells.before.textContent = share(line.before);
            cells.after.textContent = line.after > 0 ? share(line.after) : "out";
            cells.count.textContent = drawn ? line.count : "";
            cells.row.className = line.after > 0 ? "in" : "out";
            cells.row.classList.toggle("latest", line.latest);
        });
        table.caption.textContent =
            `The next token after “${state.prompt.text}”`;
    }

    /** Random numbers from 0 to 1, the same for the same seed (mulberry32). */
    function generator(start) {
        let a = start >>> 0;
        return () => {
            a = (a + 0x6d2b79f5) >>> 0;
            let t = Math.imul(a ^ (a >>> 15), a | 1);
            t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
            return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
        };
    }
});
