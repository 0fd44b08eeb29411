// The dials of step 16 over what the demo model says comes next. Chapter 12 has a few of
// them (`sampling`), chapter 16 all (`dials`); which, their data say.
"use strict";

(() => {
    const { el, percent, shown, sentences, slider } = explorers;
    const MOST_K = 50; // one more is no top-k at all
    const unless = (off, says) => (value) => (value === off ? "off" : says(value));
    const tenths = (value) => value.toFixed(1);
    const hundredths = (value) => value.toFixed(2);
    const DIALS = {
        repetition_penalty: {
            label: "Repetition penalty", min: 1, max: 2, step: 0.1, says: unless(1, tenths),
        },
        temperature: {
            label: "Temperature", min: 0, max: 3, step: 0.1,
            says: (value) => (value === 0 ? "0, always the likeliest" : tenths(value)),
        },
        top_k: { label: "Top-k", min: 1, max: MOST_K + 1, says: unless(MOST_K + 1, String) },
        top_p: { label: "Top-p", min: 0.05, max: 1, step: 0.05, says: unless(1, hundredths) },
        min_p: { label: "Min-p", min: 0, max: 1, step: 0.05, says: unless(0, hundredths) },
    };

    explorers.define("sampling", mount);
    explorers.define("dials", mount);

    function mount(app, data) {
        const vocabulary = data.tokens.length.toLocaleString("en");
        const penalized = "repetition_penalty" in data.settings;

        const state = {
            repetition_penalty: 1, min_p: 0, ...data.settings,
            top_k: data.settings.top_k || MOST_K + 1,
            prompt: data.prompts[0], seed: 1,
        };
        let before = []; // probabilities by token id
        let after = [];
        let order = []; // token ids, the likeliest first
        let counts = new Map();
        let drawn = 0;
        let random = generator(state.seed);

        const rows = Array.from({ length: data.bars + 1 }, () => {
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
        const sliders = Object.keys(data.settings).map((name) => slider({
            ...DIALS[name], value: state[name], change: (value) => set({ [name]: value }),
        }).root);
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
            el("div", { class: "explorer-sliders" }, ...sliders),
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
            const { ids, logits } = state.prompt;
            before = softmax(Array.from(logits));
            after = pastDials(Array.from(logits), ids, state);
            order = before.map((_, id) => id).sort((a, b) => logits[b] - logits[a]);
            startAgain();
            const left = order.filter((id) => after[id] > 0);
            says.textContent = left.length === 1
                ? `Only “${shown(data.tokens[left[0]])}” can be drawn.`
                : `${left.length.toLocaleString("en")} of ${vocabulary} tokens can be drawn.`;
            show();
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

        /** A token, with a mark where a penalty would meet it. */
        function named(id) {
            const token = shown(data.tokens[id]);
            return penalized && state.prompt.ids.includes(id) ? `${token} •` : token;
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
            const first = order.slice(0, data.bars);
            const rest = order.slice(data.bars);
            const total = (values) => rest.reduce((sum, id) => sum + values[id], 0);
            const lines = first.map((id) => ({
                name: named(id), before: before[id], after: after[id],
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
    }

    /** The probabilities that are drawn from. */
    function pastDials(logits, ids, { repetition_penalty, temperature, top_k, top_p, min_p }) {
        const penalized = penalizeRepetition(logits, ids, repetition_penalty);
        if (temperature === 0) {
            const best = penalized.indexOf(Math.max(...penalized));
            return logits.map((_, id) => (id === best ? 1 : 0));
        }
        const warmed = penalized.map((logit) => logit / temperature);
        return softmax(keepMinP(keepTopP(keepTopK(warmed, top_k), top_p), min_p));
    }

    function penalizeRepetition(logits, ids, penalty) {
        const seen = new Set(ids);
        return logits.map((logit, id) => {
            if (!seen.has(id)) {
                return logit;
            }
            return logit < 0 ? logit * penalty : logit / penalty;
        });
    }

    function keepTopK(logits, k) {
        if (k > MOST_K) {
            return logits;
        }
        const border = [...logits].sort((a, b) => b - a)[k - 1];
        return logits.map((logit) => (logit < border ? -Infinity : logit));
    }

    /** From the least likely up, rule out tokens as long as their sum is at most 1 - p. */
    function keepTopP(logits, p) {
        if (p === 1) {
            return logits;
        }
        const probabilities = softmax(logits);
        const ascending = logits.map((_, id) => id).sort((a, b) => logits[a] - logits[b]);
        ascending.pop(); // The likeliest always stays.
        const kept = [...logits];
        let sum = 0;
        for (const id of ascending) {
            sum += probabilities[id];
            if (Math.fround(sum) > Math.fround(1 - p)) {
                break;
            }
            kept[id] = -Infinity;
        }
        return kept;
    }

    function keepMinP(logits, p) {
        const probabilities = softmax(logits);
        const least = p * Math.max(...probabilities);
        return logits.map((logit, id) => (probabilities[id] < least ? -Infinity : logit));
    }

    function softmax(logits) {
        const most = Math.max(...logits);
        const weights = logits.map((logit) => Math.exp(logit - most));
        const sum = weights.reduce((a, b) => a + b, 0);
        return weights.map((weight) => weight / sum);
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
})();
